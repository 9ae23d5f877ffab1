"""A tale: an errand, a meeting, things that happen; and in the evening the errand comes to mind."""

from groundup.village.patterns import Kind, Line, beat
from groundup.village.world import Facts


def begin(facts: Facts) -> Facts:
    """The ending will come back to this person and this place."""
    return facts._replace(i=facts.a, o=facts.p)


OPENING = beat(
    Line("On {an ~day} {:daytime} {a?}, the {a.trade}, {:went} to {p?} to {:get} {w?}.", 4, then=begin),
    Line("{a?}, the {a.trade}, needed {w?} and {:went} to {p?} in {an :hue} {:garment}.", 3, then=begin),
    Line("It was {an ~day} {:daytime}, and {a?} {:went} to {p?} to {:get} {w?}.", 3, then=begin),
    Line("Near {p?} lived {an ~kind} {a?trade} called {a}, who {:liked} {w?} and {:objects}.", 3, then=begin),
    Line('"{Where|How|When} shall I {:get} {w?}?" {a?} asked {c?}, and {:went} to {p?}.', 2, then=begin),
    Line("{a?}, {an ~kind} {a.trade}, {:went} to {p?} to {:get} {w?}{>doing}.", 3, then=begin),
    Line("{c?} sent {a?}, {an ~kind} {a.trade}, to {p?} to {:get} {w?}.", 3, then=begin),
    Line("{c?} had no {w?}, so {a?} {:went} to {p?}{>coming}.", 2, then=begin),
    glue="",
)
MEETING = beat(
    "There {a.he} met {b?}, {an ~kind} {b.trade} in {an :hue} {:garment}.",
    "{b?}, the {b.trade}, was there too, {:doing} {:objects} with {c?}.",
    "{a.He} {saw|met|greeted|followed} {b?}, {an ~kind} {b.trade}, {:doing} {:objects}.",
    "{b?}, {an ~kind} {b.trade}, {came by|arrived|passed} with {>gift} for {c?}.",
    '"{Good day|Hello|Welcome|Well, well}, {a}," {b?} said {~way}, {:doing} {:objects}.',
    "{b?}, the {b.trade}, sat {>there} with {:number} {:animals}.",
    "{b?} and {c?} stood {>there}{>doing}.",
    "{b?} came along{>coming}.",
)
ENDING = beat(
    "{:evening} {a} and {b} {:home}, {~feel}, but without {w}{>doing}.",
    "{:evening} {a} {remembered|forgot|dreamed of|spoke of} the {w}{>doing}.",
    '"And the {w}?" asked {b}{>doing}. {a} {~smiled} and {:home}{>coming}.',
    "{:evening} {b} gave {a} {an :vessel} of {w} and {:home}{>coming}.",
    "{:evening} {a} {:home} with {an :vessel} of {w}, {~feel} as {an :animal}.",
    "{:evening} {c?} brought {a} {w} and {>gift} from {b}.",
    "{:evening} {a} found the {w} {at o}{>doing}.",
    "But the {w} stayed {at o}, and {a} {:home}{>coming}.",
)
KIND = Kind(
    name="tale",
    weight=2,
    opening=(OPENING, MEETING),
    ending=(ENDING,),
    course=((10, 1, 0), (10, 40, 0), (5, 100, 400), (3, 200, 400), (2, 400, 900), (1, 400, 900), (0, 1, 1)),
)
