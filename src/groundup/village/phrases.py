"""Small phrases that fit into many lines: a gift, a price, a place to sit, what somebody is doing."""

from groundup.village.patterns import Beat, Line, beat

PHRASES: dict[str, Beat] = {
    "gift": beat(
        "{an :vessel} of {:stuff}",
        "{:number} {:objects}",
        "{an :hue} {:garment}",
        "{:stuff} and {:objects}",
        "{an ~taste} {:dish}",
        glue="",
    ),
    "price": beat("{:number} {:animals}", "{:number} {:objects}", "{an :vessel} of {:stuff}", glue=""),
    "there": beat("{:where} the {:landmark}", glue=""),
    "doing": beat(  # after a comma, about whoever is the subject
        Line(", {:doing} {:objects}", 3),
        Line(", {:doing} {:objects} for {r?}", 2),
        Line(", {:doing} {:objects} {:where} the {:landmark}", 2),
        ", {~feel} as {an :animal}",
        ", {~feel} and {:doing} {:objects}",
        ", {~feel} but a little {:bit}",
        ", still in {an :hue} {:garment}",
        ", with {>gift} in hand",
        glue="",
    ),
    "coming": beat(  # after a verb of moving or standing
        " in {an :hue} {:garment}",
        " with {r?} and {:number} {:animals}",
        " with {>gift}",
        " with {>gift} for {r?}",
        " on {an ~kind} {:mount}",
        ", {:doing} {:objects}",
        ", {~feel} as {an :animal}",
        glue="",
    ),
    "while": beat(
        "while {r?} was {:doing} {:objects}",
        "while {:number} {:animals} {:idled}",
        "while {r?} {:idled} {:where} the {:landmark}",
        "before {r?} and {:number} {:animals}",
        glue="",
    ),
}
