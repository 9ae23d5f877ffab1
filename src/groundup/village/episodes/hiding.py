"""A thing that is hidden is looked for, and is not always where it was put; a thing that is lost is found."""

from groundup.village.patterns import Episode, Line, beat
from groundup.village.world import Facts


def in_place(facts: Facts) -> bool:
    """Nobody has moved the hidden thing."""
    return facts.t < 0


def moved(facts: Facts) -> bool:
    """The hidden thing is in its second place, and whoever hid it believes that it is in the first."""
    return facts.t >= 0


HIDING = beat(
    "{a!} {~way} hid {a.own} {h?} {x?s} {s?} {at q?}.",
    "{:later} {a!} took {a.own} {h?} {x?s} to {q?} and hid it {s?}.",
    "{:later} {a!} put {an h?} {x?s} {s?} {at q?} and covered it with {:stuff}.",
    '"Nobody will find my {h?} {x?s} {s?}," {a!} said {~way} to {an :animal} {at q?}.',
)
AFTER_HIDING = beat(
    Line("{Only|Nobody but} {an :animal} {:where} the {:landmark} saw it.", 2),
    Line("But {b} {~way} moved it: now it lay {t?}.", 3),
    Line("{b}, {:doing} {:objects}, moved it and put it {t?}.", 2),
)
FINDING = beat(
    Line("{:later} {a} looked {s} and found the {x}, {~state}.", when=in_place),
    Line('"Where is my {x}?" {a} asked {c?} {~way}. It was {s} {at q}, {~state}.', when=in_place),
    Line("{:later} {a} gave {c?} the {x}, {~state} after its time {s}.", when=in_place),
    Line("{a} looked {s} and saw only {an :animal}. {b} {~smiled}: the {x} was {t}.", when=moved),
    Line('"My {x} is not {s}!" {a} told {c?}. "Look {t}," said {b} {~way}.', when=moved),
    Line("{:later} {a} {~way} searched {s}, but the {x} was {t}, {~state}.", when=moved),
)
ASKING = beat(
    '"Where is {a}\'s {x}?" {c?} asked {b}, {:doing} {:objects}. "{:reply}," said {b} {~way}.',
    '{c?} came by with {:number} {:animals} and asked for the {x}. "{:reply}," said {a} {~way}.',
)
LOSING = beat(
    "{:later} {a!} lost {an h?} {x?s} {at q?} and was {:sorry} until {c?} brought {:stuff}.",
    '"I had my {h?} {x?s} {at q?}," {a!} told {c?}, "and now it is {:gone}!"',
    "{a!}'s {h?} {x?s} was {:gone} {at q?}. {b} and {c?} looked {:where} the {:landmark}, but in vain.",
)
RECOVERING = beat(
    "{c?}, {an ~kind} {c.trade}, came from {q} with the {x}, {~state}.",
    "{:later} {b} found the {x} {s?}, {~state}, while {:doing} {:objects}.",
    '"Is this your {x}?" asked {c?}. It had been {s?}, {~state}.',
    "{:later} {an :animal} led them to {q}: there was the {x}, {s?}.",
)
EPISODES = (
    Episode("hiding", ("tale",), (HIDING, AFTER_HIDING), (FINDING,), (ASKING,)),
    Episode("losing", ("tale",), (LOSING,), (RECOVERING,)),
)
