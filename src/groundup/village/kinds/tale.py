"""A tale: somebody sets out on an errand, meets somebody, things happen, and in the evening the errand comes to mind."""

from groundup.village.patterns import Kind, Line, beat
from groundup.village.world import Facts


def remember_place(facts: Facts) -> Facts:
    """The tale began here: its ending may come back to this place."""
    return facts._replace(o=facts.p)


OPENING = beat(
    Line("On {an ~day} {:daytime} {a?}, the {a.trade}, {:went} to {p?} to {:get} {w?}.", 4, then=remember_place),
    Line("{a?}, the {a.trade}, needed {w?} and {:went} to {p?} in {an :hue} {:garment}.", 3, then=remember_place),
    Line("It was {an ~day} {:daytime}, and {a?} {:went} to {p?} to {:get} {w?}.", 3, then=remember_place),
    Line("Near {p?} lived {an ~kind} {a?trade} called {a}, who {loved|sold|hated|made} {w?}.", 3, then=remember_place),
    Line('"{Where|How|When} shall I {:get} {w?}?" {a?} asked {c?}, and {:went} to {p?}.', 2, then=remember_place),
    Line("{a?}, {an ~kind} {a.trade}, was on the way to {p?} to {:get} {w?}.", 3, then=remember_place),
    Line("{c?} sent {a?}, {an ~kind} {a.trade}, to {p?} to {:get} {w?}.", 3, then=remember_place),
    glue="",
)
MEETING = beat(
    "{By the gate|On the way|Near the pump|There} {a.he} met {b?}, {an ~kind} {b.trade} in {an :hue} {:garment}.",
    "{b?}, the {b.trade}, was there too, {:doing} {:objects} with {c?}.",
    "{a} {waved to|nodded to|greeted|met|saw} {b?}, {an ~kind} {b.trade}, who was {:doing} {:objects}.",
    "{b?}, {an ~kind} {b.trade}, came by with {an :vessel} of {:stuff} for {c?}.",
    '"{Good day|Hello|Welcome|Good morning}, {a}," {b?} said {~way}, {:doing} {:objects}.',
    "{b?}, the {b.trade}, sat {:where} the {:landmark} with {:number} {:animals}.",
)
ENDING = beat(
    "{:evening} {a} and {b} {:home}, {~feel} and {~feel}, but without {w}.",
    "{:evening} {a} {remembered|forgot|dreamed of|spoke of} the {w}, and {b} {~smiled}.",
    '"And the {w}?" asked {b}. {a} {~smiled} and {:home} in {an :hue} {:garment}.',
    '"Life is {~life}," said {a} {~way}. {b} gave {a.him} {w}, and they {:home}.',
    "{:evening} {a} {:home} with {an :vessel} of {w}, {~feel} as {an :animal}.",
    "{:evening} {b} found {w} {:where} the {:landmark} and sent {an :vessel} to {a}.",
    "{:evening} {a} went back to {o} for the {w}, {~feel}, with {c?} and {an :animal}.",
)
KIND = Kind(
    name="tale",
    weight=2,
    opening=(OPENING, MEETING),
    ending=(ENDING,),
    go_on=((1, 0), (1, 0), (1, 20), (1, 60), (1, 120), (1, 200), (0, 1)),
)
