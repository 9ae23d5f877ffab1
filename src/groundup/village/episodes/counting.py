"""Things that can be counted: picked, eaten, shared and traded, so that the rest must be right."""

from groundup.village.patterns import Episode, Line, beat
from groundup.village.world import met, unmet

HAVING = beat(
    "{a!} had {n?} {g?} in {a.own} {:pocket}.",
    "{:later} {c?} gave {a!} {n?} {g?} {for no reason|in secret|by mistake|as a joke}.",
    "{a!} bought {n?} {g?} from {c?}, the {c.trade}, for {>price}.",
    "{:later} {a!} found {n?} {g?} {p:spot}.",
    "{a!} won {n?} {g?} from {c?} at cards.",
)
SHARING = beat(
    Line("{:later} {an :breed} {B?} ate {k?} of {a}'s {g}, so {m} {m.was} left.", when=unmet),
    Line("{:later} the {B} ate {k?} of {a}'s {g}, so {m} {m.was} left.", when=met),
    "{a} gave {c?} {k?} of the {g} for {>price} and kept {m}.",
    "{a} made {an ~taste} {:dish} with {k?} of the {g}. {c?} ate the other {m}.",
    "{a} gave {c?} {k?} of the {g}, {r?} {m}, and {b} {>gift}.",
    "{c?} bought {k?} of the {g}{>doing_c}. The other {m} went to {r?}.",
)
TRADING = beat(
    "{:later} {a!} sold {b} {an h?} {x?} for {n?} {g?} and {>gift}.",
    '"{N n?} {g?} for your {h?} {x?}," {:said} {b!}. "I want to {>use_x}." {a} {~smiled}.',
    "{:later} {b!} paid {a} {n?} {g?} for {an h?} {x?} to {>use_x}.",
    "{a!} showed {b} {an h?} {x?}, and {b} {~way} paid {n?} {g?} for it.",
)
AFTER_TRADE = beat(
    "{b} {~way} showed {c?} the {x}, and {a} ate {k?} of the {n} {g}.",
    "{b} lent {c?} the {x}; {k?} of the {g} went to {r?}, {m} to {r?}.",
    "{:later} {a} paid {>gift} and the {n} {g} to have the {x} back.",
    '"It {:quirk}," {:said} {b}. {a} had eaten the {n} {g} with {>gift}.',
    "{b} gave {c?} the {x}. {a} found {k?} of the {n} {g} {~taste}.",
)
EPISODES = (
    Episode("sharing", ("tale",), (HAVING,), (SHARING,)),
    Episode("trading", ("tale",), (TRADING,), (AFTER_TRADE,)),
)
