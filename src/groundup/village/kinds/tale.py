"""A tale: an errand, a meeting, things that happen; and when they are over, the errand comes to mind."""

from groundup.village.patterns import Kind, Line, beat
from groundup.village.world import Facts, met


def begin(facts: Facts) -> Facts:
    """The ending will come back to this person and this place."""
    return facts._replace(i=facts.a, o=facts.p)


def known(facts: Facts) -> bool:
    """It has been said what the other person is like."""
    return facts.K >= 0


def stormy(facts: Facts) -> bool:
    """The weather has been spoken of."""
    return facts.W >= 0


OPENING = beat(
    Line("On {an ~day} {:daytime} {a?}, the {a.trade}, {:went} to {p?} to {:get} {w?}.", 4, then=begin),
    Line(
        "{a?} {:went} to {p?} in {an :hue} {:garment}, since {a.he} had no {w?} {left|at home|to speak of}.",
        3,
        then=begin,
    ),
    Line("It was {W?} when {a?} {:went} to {p?} to {:get} {w?}.", 3, then=begin),
    Line(
        "Near {p?} lived {an ~kind} {a?trade}, {a}, who {dreamed|sang} of {w?} and {:number} {:animals}.",
        3,
        then=begin,
    ),
    Line('"Go to {p?} and {:get} {w?}," {c?} told {a?}, {~feel} as {an :animal}.', 3, then=begin),
    Line("{c?} sent {a?}, {an ~kind} {a.trade}, to {p?} to {:get} {w?}.", 3, then=begin),
    Line("One {:daytime} {a?} {:went} to {p?} for {w?}, {~feel} as {an :animal}.", 3, then=begin),
    Line(
        "{a?}, the {a.trade}, {:went} to {p?} to change {>gift} and {:number} {:animals} for {w?}.",
        5,
        then=begin,
    ),
    Line(
        "{c?} bet {>price} that {a?} would {return|come home|be chased} from {p?} without {w?}.",
        2,
        then=begin,
    ),
    glue="",
)
MEETING = beat(
    Line("There {a.he} met {b?}, {an K?} {b.trade}, {b:doing} {:number} {b:ware} for {r?}.", 2),
    Line("{b?} was there too, {b:doing} {:number} {b:ware} for {c?}."),
    Line("{b?}, {an K?} {b.trade}, led {an :breed} {B?} on a string.", 2),
    Line('"{Good day|Hello|Welcome|Well, well}, {a}," {b?} said {~way}{>doing_b}.'),
    Line("{b?} was talking to {an :breed} {B?}, which {:answered}.", 2),
    Line("{b?}, {an K?} {b.trade}, wanted {w} too, for {:number} {:animals}.", 2),
    Line("{b?} and {an :breed} {B?} {slept|danced|waited|argued} {p:spot}."),
    Line("{b?} came along{>coming}."),
    Line("{b?} had {:number} {:animals}, {>gift} and {an :breed} {B?} to sell.", 3),
)
ENDING = beat(
    Line('"And the {w}?" asked {b}. {a} {~smiled} and {:home}{>coming}.'),
    Line("{a} {:home} {:number} days late, with {>gift}, {>gift} and no {w}.", 3),
    Line("{In the end|At last|After all that} {b} gave {a} {w} and {:home}{>coming}."),
    Line("{a} {:home} with the {w}, {~feel} as {an :animal}."),
    Line('At home {c?} looked at the {w}. "I said {:stuff}," {c.he} said {~way}.'),
    Line("That night {a} dreamed of {w}, {:number} {:animals} and {>gift}."),
    Line("The {w} stayed {at o}, and {a} blamed {r?} and {:number} {:animals}."),
    Line("{a} forgot the {w} and {:home}{>coming}."),
    Line("The {B} had {eaten|hidden|lost} the {w}. {a} {~smiled} and {:home}{>coming}.", 2, when=met),
    Line("{a} and the {B} {:home} with {>gift}, {>gift} and no {w}.", 2, when=met),
    Line('"You are {K}," {:said} {a}. {b} {~way} gave {a.him} {>gift}, but no {w}.', 2, when=known),
    Line("It was still {W} when {a} {:home} with the {w} and {>gift}.", 2, when=stormy),
    Line("It was still {W}, but {a} gave {b} half of the {w} for {>gift}.", 2, when=stormy),
)
KIND = Kind(
    name="tale",
    weight=2,
    opening=(OPENING, MEETING),
    ending=(ENDING,),
    course=((10, 1, 0), (10, 40, 0), (5, 100, 400), (3, 200, 400), (2, 400, 900), (1, 400, 900), (0, 1, 1)),
)
