"""A thing that is lent must come back: lending and returning in tales."""

from groundup.village.patterns import Episode, beat

LENDING = beat(
    "{a!} lent {b} {a.own} {h?} {x?} for {c?}'s {:occasion}, until {d?}.",
    "{:later} {b!} asked for {an h?} {x?}, and {a} {~way} lent it until {d?}.",
    '"May I borrow your {h?} {x?}?" asked {b!}. "Until {d?}," said {a} {~way}.',
    '"Take my {h?} {x?} to {c?}\'s {:occasion}," {a!} told {b}. "I need it on {d?}."',
    "{:later} {b!} needed {an h?} {x?} for {c?}'s {:occasion}, and {a} lent one until {d?}.",
)
RETURNING = beat(
    "On {d} {b} brought the {x} back, {~state}, with {an :vessel} of {:stuff}.",
    "{d} came, and {b} {~way} returned the {x}, {~state} and full of {:stuff}.",
    '"Here is your {x}," said {b} on {d}, "and {an :vessel} of {:stuff}."',
    "On {d} {a} had the {x} back, {~state} and {~state}.",
    "{d} came, but {b} had {sold|lost|forgotten|hidden|painted} the {x} {:where} the {:landmark}.",
    "{a} {~smiled} on {d}: the {h} {x} was back, {~state}.",
)
ASKING = beat(
    '"Where is your {x}?" asked {c?}, {:doing} {:objects}. "{b} has it until {d}," said {a} {~way}.',
    '{c?} offered {:number} {:animals} for the {x}. "{b} has it," said {a} {~way}.',
    '"Is that {a}\'s {h} {x}?" {c?} {~way} asked {b}, {:doing} {:objects}. "Yes, until {d}."',
)
EPISODES = (Episode("lending", ("tale",), (LENDING,), (RETURNING,), (ASKING,)),)
