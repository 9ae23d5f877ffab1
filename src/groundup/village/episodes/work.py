"""Work, breakage and promises: something is broken or promised, and a day comes when it shows."""

from groundup.village.patterns import Episode, beat

BREAKING = beat(
    "{:later} {b!} dropped {a}'s {h?} {x?f}, which {:broke}.",
    "{a}'s {h?} {x?f} {:broke} when {an :animal} jumped {>there}.",
    "{:later} {an :animal} and {b!} played, and {a}'s {h?} {x?f} {:broke}.",
    "{a!}'s {h?} {x?f} {:broke} {>while}.",
)
MENDING = beat(
    "{b} mended the {x} with {:repair} and {:stuff}{>doing}.",
    "{:later} {c?}, {an ~kind} {c.trade}, mended the {x} with {:repair} for {>price}.",
    "{:later} {a} had the {x} back, {~state} and full of {:repair} and {:stuff}.",
    "The {x} stayed broken, but {b} gave {a} {>gift} and {>gift}.",
    '"{A :repair} will help," said {c?}{>doing}, and mended the {x}.',
)
PROMISING = beat(
    "{a!} promised {b} to {j?} {c?}'s {v?} before {d?}.",
    '"I will {j?} {c?}\'s {v?} before {d?}," said {a!}{>doing}.',
    "{:later} {c?} offered {a!} {>price} to {j?} the {v?} before {d?}.",
    "{c?} wanted somebody to {j?} the {v?} before {d?}, and {a!} agreed {>while}.",
)
KEEPING = beat(
    "On {d} {a} {j.past} the {v} with {:repair}{>doing}.",
    "{c} {~smiled} on {d}: it was {j.past} with {:repair} and {:stuff}.",
    "On {d} {c} waited {>there}{>doing}, but in vain.",
    '"My {v}!" said {c} on {d}{>doing}. "{:reply}," said {a} {~way}.',
    "{d} came. {a} {j.past} the {v} {>while}.",
)
QUARREL = beat(
    "{:later} {a} and {b} quarrelled about {u?} and {threw|counted|broke} {:objects}.",
    '"You know nothing about {u?}," {a!} told {b} {>while}.',
    "{r?} asked about {u?}, and {a} and {b} quarrelled {>while}.",
    "{:later} {a!} laughed at {b} about {u?}{>doing}.",
)
PEACE = beat(
    '"Enough of {u}," said {b!} and gave {a} {>gift}.',
    "{:later} they forgot {u} and {:idled} {>there} with {an :animal}.",
    "{c?} spoke wisely about {u}{>doing}, and {b!} {~smiled}.",
    "{b!} was sorry about {u} and sent {>gift}.",
)
CARRYING = beat(
    "{a!} {carried|dragged|rolled|brought} {an h?} {x?h} to {q?} for {c?}, while {b} {:idled}.",
    "{:later} {a!} and {c?} carried {an h?} {x?h} to {q?}{>coming}.",
    "{:later} {an h?} {x?h} fell from {c?}'s cart {>while}.",
    "{c?} bought {an h?} {x?h} from {a!} for {>price}.",
)
EPISODES = (
    Episode("breaking", ("tale",), (BREAKING,), (MENDING,)),
    Episode("promising", ("tale",), (PROMISING,), (KEEPING,)),
    Episode("quarrel", ("tale",), (QUARREL,), (PEACE,)),
    Episode("carrying", ("tale",), (CARRYING,)),
)
