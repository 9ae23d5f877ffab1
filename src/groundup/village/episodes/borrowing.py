"""A thing that is lent must come back: lending and returning in tales."""

from groundup.village.patterns import Episode, beat

LENDING = beat(
    "{a!} lent {b} {a.own} {h?} {x?} to {>use_x}, until {d?}.",
    '"May I have your {h?} {x?}?" asked {b!}. "I want to {>use_x}." {a} {~way} lent it, until {d?}.',
    '"Take my {h?} {x?}," {a!} told {b}, "but on {d?} I need it to {>use_x}."',
    "{:later} {b!} borrowed {an h?} {x?} from {a} to {>use_x}, and swore to return it on {d?}.",
    "{:later} {a!} lent {b} {an h?} {x?} until {d?}, for {:number} {b:ware}.",
    "{:later} {b!} begged {a} for {an h?} {x?} until {d?}. {r?} asked what for.",
)
RETURNING = beat(
    "{On|Early on|Late on} {d} {b} brought the {x} back, {~state}, with {>gift}.",
    "{On|Early on|Late on} {d} the {x} came back, {~state}, and {a} {~smiled}.",
    '"Here is your {x}," {:said} {b} on {d}. "It {:quirk}."',
    "{d} came, but {b} had sold the {x} to {r?} for {>price}.",
    "{b} did not return the {x} on {d}, but sent {>gift} and {>gift}.",
    "{On|Early on|Late on} {d} {r?} brought the {x}, {~state}: {b} was too {~feel} to come.",
    '{b} brought {>gift} on {d}. "I asked for the {x}," {:said} {a} {~way}.',
)
ASKING = beat(
    '"Your {x}?" asked {c?}{>doing_c}. "{b} has it," {:said} {a} {~way}.',
    '{c?} offered {>price} for the {x}. "{b} has it," {:said} {a} {~way}.',
    '"Is that {a}\'s {x}?" {c?} asked {b}. "Only until {d}," {:said} {b} {~way}.',
    "{c?}, {an ~kind} {c.trade}, saw {b} with the {x} and told {r?} and {:number} {:animals}.",
)
EPISODES = (Episode("lending", ("tale",), (LENDING,), (RETURNING,), (ASKING,)),)
