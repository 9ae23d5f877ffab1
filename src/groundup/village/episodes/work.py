"""Work, breakage and promises: something is broken or promised, and a day comes when it shows."""

from groundup.village.patterns import Episode, Line, beat
from groundup.village.world import met, unmet

BREAKING = beat(
    Line("{:later} {b!} dropped {a}'s {h?} {x?f}, which {:broke}."),
    Line("{:later} {b!} took {a}'s {h?} {x?f} to {>use_x}, and it {:broke}."),
    Line('"It was like that before," {:said} {b!}. {a}\'s {h?} {x?f} {lay in pieces|was no more}.'),
    Line("{a}'s {h?} {x?f} {:broke} when {an :breed} {B?} {:antic} on it.", when=unmet),
    Line("{a}'s {h?} {x?f} {:broke} when the {B} {:antic} on it.", 2, when=met),
    Line("{a!} wanted to show {r?} how strong {a.own} {h?} {x?f} was. It {:broke}."),
)
MENDING = beat(
    "{b} mended the {x} with {:repair}{>doing_b}.",
    "{:later} {c?}, {an ~kind} {c.trade}, mended the {x} with {:repair} for {>price}.",
    "{:later} {a} had the {x} back, {~state} and full of {:repair}.",
    "The {x} stayed broken, but {b} gave {a} {>gift} and {>gift}.",
    '"{A :repair} will help," {:said} {c?}{>doing_c}, and mended the {x}.',
    '"Art!" {:said} {c?}{>doing_c}, and paid {>price} for what was left of the {x}.',
)
PROMISING = beat(
    "{a!} promised {b} to {j?} {c?}'s {v?} before {d?}.",
    '"I will {j?} {c?}\'s {v?} before {d?}," {:said} {a!} {~way}.',
    "{:later} {c?} offered {a!} {>price} to {j?} the {v?} before {d?}.",
    "{c?} wanted somebody to {j?} the {v?} before {d?}, and {all looked at|nobody asked|it fell to} {a!}.",
    "{a!} had to {j?} {c?}'s {v?} before {d?}, after a bet with {r?}.",
)
KEEPING = beat(
    Line("{On|Early on|Late on} {d} {a} {j.past} the {v} with {:repair}{>doing_a}."),
    Line("{On|Early on|Late on} {d} the {v} was {j.past}, and {c} {~smiled} and paid {>price}."),
    Line("{On|Early on|Late on} {d} {c} waited {p:spot}{>doing_c}, but in vain."),
    Line('"My {v}!" {:said} {c} on {d}. "{:reply}," {:said} {a} {~way}.'),
    Line("{d} came. {a} {~way} {j.past} the wrong {v} with {:repair}."),
    Line("{a} {j.past} the {v} on {d}, while {r?} and the {B} {:idled}.", 2, when=met),
    Line("{a} {j.past} the {v} on {d}, while {r?} {:idled}."),
)
QUARREL = beat(
    "{:later} {a} and {b} quarrelled about {u?} until {r?} threw {>gift}.",
    '"You know nothing about {u?}," {a!} told {b} before {r?} and {:number} {:animals}.',
    '"And {u?}?" asked {r?}{>doing_r}. {a} and {b} {shouted|wept|sang} at once.',
    "{:later} {a!} laughed at {b} about {u?}, and {b} threw {:number} {b:ware} at {r?}.",
)
PEACE = beat(
    Line('"Enough of {u}," {:said} {b!} and gave {a} {>gift} and {>gift}.'),
    Line("{:later} they forgot {u}, because {r?} had brought {>gift}."),
    Line("{c?} spoke of {u} until {:number} {:animals} {fell asleep|wept|clapped}, and there was peace."),
    Line("{b!} was sorry about {u} and sent {:number} {b:ware} and {>gift}."),
    Line(
        "The {B} {:antic} before {r?} and {:number} {:animals}, and {u} was {forgotten|forgiven}.",
        2,
        when=met,
    ),
)
CARRYING = beat(
    "{a!} {carried|dragged|rolled|pushed} {an h?} {x?h} to {q?} for {c?}, while {b} {:idled}.",
    "{:later} {a!} and {c?} carried {an h?} {x?h} to {q?}. It was the {wrong|last|same old} one.",
    "{:later} {an h?} {x?h} fell from {c?}'s cart and {woke|missed|delighted} {r?}.",
    "{c?} bought {an h?} {x?h} from {a!} for {>price}, to {>use_x}.",
)
EPISODES = (
    Episode("breaking", ("tale",), (BREAKING,), (MENDING,)),
    Episode("promising", ("tale",), (PROMISING,), (KEEPING,)),
    Episode("quarrel", ("tale",), (QUARREL,), (PEACE,)),
    Episode("carrying", ("tale",), (CARRYING,)),
)
