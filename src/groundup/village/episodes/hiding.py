"""A thing that is hidden is looked for, and is not always where it was put; a thing that is lost is found."""

from groundup.village.patterns import Episode, Line, beat
from groundup.village.world import Facts, met, unmet


def in_place(facts: Facts) -> bool:
    """Nobody has moved the hidden thing."""
    return facts.t < 0


def moved(facts: Facts) -> bool:
    """The hidden thing is in its second place, and whoever hid it believes that it is in the first."""
    return facts.t >= 0


HIDING = beat(
    "{a!} hid {a.own} {h?} {x?s} {s?}, because {c?} wanted to {>use_x}.",
    "{:later} {a!} hid {an h?} {x?s} {s?}: it was {a surprise for|stolen from|too good for} {r?}.",
    "{:later} {a!} put {an h?} {x?s} {s?} and covered it with {:stuff}.",
    '"Nobody will find my {h?} {x?s} {s?}," {a!} told {r?}{>doing_r}.',
    "{:later} {a!} found {an h?} {x?s} and hid it {s?}, {~feel} as {an :animal}.",
)
AFTER_HIDING = beat(
    Line("{Only|Nobody but} {an :breed} {B?} {p:spot} saw it.", 2, when=unmet),
    Line("{Only|Nobody but} the {B} saw it and {:answered}.", 3, when=met),
    Line("{Only|Nobody but} {r?} saw it{>doing_r}.", 2),
    Line("But {b} {~way} put it {t?}{>doing_b}.", 2),
    Line("{b} needed the room for {:number} {b:ware} and put it {t?}.", 2),
    Line("{An :breed} {B?} dragged it away, and now it lay {t?}.", when=unmet),
    Line("The {B} dragged it away, and now it lay {t?}.", 2, when=met),
)
FINDING = beat(
    Line("{:later} {a} found the {x} {s}, {~state}, beside {>gift}.", when=in_place),
    Line('"My {x}?" {:said} {a}{>doing_a}. It was {s}, {~state}.', when=in_place),
    Line("{:later} {a} gave {c?} the {x}. It had been {s} all the time, {~state}.", when=in_place),
    Line("{c?} found the {x} {s}, together with {>gift}.", when=in_place),
    Line("{a} found only {>gift} {s}: the {x} was {t}.", when=moved),
    Line('"Not {s}!" {:said} {c?}{>doing_c}. "Look {t}!"', when=moved),
    Line("{:later} {a} looked {s} and {c?} {t}: there was the {x} with {>gift}.", when=moved),
    Line("{c?} found the {x} {t}, and {a} {~way} swore that it had {walked|flown|swum}.", when=moved),
)
ASKING = beat(
    '"Where is {a}\'s {x}?" {c?} asked {b}{>doing_b}. "{:reply}."',
    '{c?} came by and asked for the {x}, to {>use_x}. "{:reply}," {:said} {a} {~way}.',
    "{c?} looked for the {x} {p:spot} and found {>gift}.",
)
LOSING = beat(
    "{:later} {a!} lost {an h?} {x?s} {at q?} and was {:sorry} until {r?} brought {>gift}.",
    '"I had my {h?} {x?s} {at q?}," {a!} told {r?}, "and now it is {:gone}!"',
    "{a!}'s {h?} {x?s} was {:gone} {at q?}. {r?} searched for it and found {>gift}.",
    "{a!} offered {>price} for {an h?} {x?s}, {:gone} {at q?}.",
)
RECOVERING = beat(
    Line("{c?}, {an ~kind} {c.trade}, came from {q} with the {x}, {~state}."),
    Line("{:later} {b} found the {x} {s?}, {~state}{>doing_b}."),
    Line('"Your {x}?" asked {c?}{>doing_c}. It had been {s?}.'),
    Line("{c?} had the {x} and had used it to {>use_x}."),
    Line("{c?} had the {x}, and {a} paid {>price} for it {~way}."),
    Line("{:later} {an :breed} {B?} was seen {at q} with the {x}, {~state}.", when=unmet),
    Line("The {B} was asleep on the {x} and on {>gift}.", 3, when=met),
)
EPISODES = (
    Episode("hiding", ("tale",), (HIDING, AFTER_HIDING), (FINDING,), (ASKING,)),
    Episode("losing", ("tale",), (LOSING,), (RECOVERING,)),
)
