"""A thing that is lent must come back: lending and returning in tales."""

from groundup.village.patterns import Episode, beat

LENDING = beat(
    "{a!} lent {b} {a.own} {h?} {x?} for {r?}'s {:occasion}, until {d?}.",
    "{:later} {b!} asked for {an h?} {x?}, and {a} {~way} lent it until {d?}.",
    '"May I have your {h?} {x?}?" asked {b!}{>doing}. "Until {d?}," said {a}.',
    '"Take my {h?} {x?} to {r?}\'s {:occasion}," {a!} told {b}. "I need it on {d?}."',
    "{:later} {b!} needed {an h?} {x?} for {r?}'s {:occasion}. {a} lent one until {d?}.",
    "{:later} {a!} lent {an h?} {x?} to {b}, who promised {>gift} for it on {d?}.",
)
RETURNING = beat(
    "On {d} {b} brought the {x} back, {~state}, with {>gift}.",
    "On {d} the {x} came back, {~state} and full of {:stuff}.",
    '"Here is your {x}," said {b} on {d}{>doing}.',
    "On {d} {a} had the {x} back, {~state}{>doing}.",
    "{d} came, but {b} had {sold|lost|forgotten|hidden|painted} the {x} {>while}.",
    "{a} {~smiled} on {d}: {r?} had brought the {x}, {~state}.",
    "{b} did not return the {x} on {d}, but sent {>gift} and {>gift}.",
)
ASKING = beat(
    '"Your {x}?" asked {c?}{>doing}. "{b} has it," said {a} {~way}.',
    '{c?} offered {>price} for the {x}. "{b} has it," said {a} {~way}.',
    '"Is that {a}\'s {x}?" {c?} asked {b}{>doing}. "{Yes|It is|Why not}, until {d}."',
    "{c?}, {an ~kind} {c.trade}, admired the {x}{>doing}.",
)
EPISODES = (Episode("lending", ("tale",), (LENDING,), (RETURNING,), (ASKING,)),)
