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
    "{:later} {a!} hid {an h?} {x?s} {s?}{>doing}.",
    "{:later} {a!} put {an h?} {x?s} {s?} and covered it with {:stuff}.",
    '"Nobody will find my {h?} {x?s} {s?}," {a!} said{>doing}.',
    "{:later} {a!} found {an h?} {x?s} and hid it {s?} {>while}.",
)
AFTER_HIDING = beat(
    Line("{Only|Nobody but} {an :animal} {>there} saw it.", 2),
    Line("{Only|Nobody but} {r?} saw it{>doing}.", 2),
    Line("But {b} {~way} put it {t?}{>doing}.", 3),
    Line("{b}, {:doing} {:objects}, moved it and put it {t?}.", 2),
    Line("{An :animal} {moved|pushed|dragged} it away, and now it lay {t?}."),
)
FINDING = beat(
    Line("{:later} {a} found the {x} {s}, {~state}{>doing}.", when=in_place),
    Line('"My {x}?" said {a}{>doing}. It was {s}, {~state}.', when=in_place),
    Line("{:later} {a} gave {c?} the {x}, {~state}, from its place {s}.", when=in_place),
    Line("{a} found {an ~kind} {:animal} {s}: the {x} was {t}.", when=moved),
    Line('"Not {s}!" said {c?}{>doing}. "Look {t}!"', when=moved),
    Line("{:later} {a} looked {s} and {c?} {t}: there was the {x}.", when=moved),
    Line("{c?} found the {x} {t}{>doing}.", when=moved),
    Line("{c?} found the {x} {s}{>doing}.", when=in_place),
)
ASKING = beat(
    '"Where is {a}\'s {x}?" {c?} asked {b}{>doing}. "{:reply}."',
    '{c?} came by with {>gift} and asked for the {x}. "{:reply}," said {a} {~way}.',
    "{c?} looked for the {x} {>there} and found {>gift}.",
)
LOSING = beat(
    "{:later} {a!} lost {an h?} {x?s} {at q?} and was {:sorry} until {r?} brought {>gift}.",
    '"I had my {h?} {x?s} {at q?}," {a!} told {r?}, "and now it is {:gone}!"',
    "{a!}'s {h?} {x?s} was {:gone} {at q?}. {r?} looked {>there}, but in vain.",
    "{a!} offered {>price} for {an h?} {x?s}, {:gone} {at q?}.",
)
RECOVERING = beat(
    "{c?}, {an ~kind} {c.trade}, came from {q} with the {x}, {~state}.",
    "{:later} {b} found the {x} {s?}, {~state}{>doing}.",
    '"Your {x}?" asked {c?}{>doing}. It had been {s?}.',
    "{:later} {an ~kind} {:animal} found it {at q}, {s?}.",
    "{c?} had the {x}{>doing}, and {a} paid {>price} for it.",
)
EPISODES = (
    Episode("hiding", ("tale",), (HIDING, AFTER_HIDING), (FINDING,), (ASKING,)),
    Episode("losing", ("tale",), (LOSING,), (RECOVERING,)),
)
