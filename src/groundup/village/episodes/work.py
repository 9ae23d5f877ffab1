"""Work, breakage and promises: somebody breaks something or promises something, and a day comes when it shows."""

from groundup.village.patterns import Episode, beat

BREAKING = beat(
    "{:later} {b!} dropped {a}'s {h?} {x?f}, which {:broke}.",
    '{a}\'s {h?} {x?f} {:broke} when {an :animal} jumped {:where} the {:landmark}. "I will mend it," said {b} {~way}.',
    "{:later} {an :animal} and {b!} played, and {a}'s {h?} {x?f} {:broke}.",
)
MENDING = beat(
    "{b} {~way} mended the {x} with {:repair} and {:repair}.",
    "{:later} {c?}, {an ~kind} {c.trade}, mended the {x} with {:repair} for {:number} {:objects}.",
    "{:later} {a} had the {h} {x} back, {~state} and full of {:repair}.",
    "The {x} could not be mended, so {b} gave {a} {an :vessel} of {:stuff}.",
)
PROMISING = beat(
    "{a!} promised {b} to {j?} {c?}'s {v?} before {d?}.",
    '"I will {j?} {c?}\'s {v?} before {d?}," {a!} {~way} told {b}.',
    '{:later} {b!} asked: "Who will {j?} {c?}\'s {v?} before {d?}?" "I will," said {a} {~way}.',
)
KEEPING = beat(
    "{d} came, and {a} had {j.past} the {v} {~way}, with {an :vessel} of {:stuff}.",
    "On {d} {c} looked at the {v}: {a} had {j.past} it with {:repair}!",
    "On {d} {c} waited {:where} the {:landmark}, but {a} had forgotten the {v}.",
    '"And my {v}?" asked {c} on {d}. "{:reply}," said {a} {~way}, {:doing} {:objects}.',
)
QUARREL = beat(
    "{:later} {a} and {b} quarrelled about {u?} and {threw|counted|broke} {:objects}.",
    '"You know nothing about {u?}," {a!} {~way} told {b} before {c?} and {:number} {:animals}.',
    "{c?} asked about {u?}, and {a} and {b} quarrelled {:where} the {:landmark}.",
)
PEACE = beat(
    '"Enough of {u}," said {b!} {~way} and gave {a} {an :vessel} of {:stuff}.',
    "{:later} they forgot {u} and {:helped} {:where} the {:landmark} with {an :animal}.",
    "{c?} laughed about {u}, and so {a} and {b} {~smiled} too.",
)
CARRYING = beat(
    "{a!} {carried|dragged|rolled|brought} {an h?} {x?h} to {q?} for {c?}, while {b} {:helped}.",
    "{:later} {a!} and {c?} carried {an h?} {x?h} to {q?}, and {b} {:helped} {~way}.",
)
EPISODES = (
    Episode("breaking", ("tale",), (BREAKING,), (MENDING,)),
    Episode("promising", ("tale",), (PROMISING,), (KEEPING,)),
    Episode("quarrel", ("tale",), (QUARREL,), (PEACE,)),
    Episode("carrying", ("tale",), (CARRYING,)),
)
