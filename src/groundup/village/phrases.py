"""Small phrases that fit into many lines: a gift, a price, a place to sit, a little more to say about somebody."""

from groundup.village.patterns import Beat, beat

PHRASES: dict[str, Beat] = {
    "gift": beat(
        "{an :vessel} of {:stuff}",
        "{:number} {:objects}",
        "{an :hue} {:garment}",
        "{:stuff} and {:stuff}",
        "{an ~day} {:dish}",
        glue="",
    ),
    "price": beat("{:number} {:animals}", "{:number} {:objects}", "{an :vessel} of {:stuff}", glue=""),
    "there": beat("{:where} the {:landmark}", glue=""),
    "tail": beat(
        " in {an :hue} {:garment}",
        " with {r?} and {:number} {:animals}",
        ", {:doing} {:objects}",
        ", {:doing} {:objects} {:where} the {:landmark}",
        " {:where} the {:landmark}",
        " with {an :vessel} of {:stuff}",
        ", {~feel} as {an :animal}",
        " and {:doing} {:objects}".replace(" and ", ", {~feel} and "),
        glue="",
    ),
    "while": beat(
        "while {r?} was {:doing} {:objects}",
        "while {:number} {:animals} {:beast_did}",
        "while {r?} {:helped} {:where} the {:landmark}",
        "before {r?} and {:number} {:animals}",
        glue="",
    ),
}
