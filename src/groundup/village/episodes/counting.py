"""Things that can be counted: picked, eaten, shared and traded, so that the rest must be right."""

from groundup.village.patterns import Episode, beat

HAVING = beat(
    "{a!} had {n?} {g?} in {an :hue} {:vessel} {>there}.",
    "{:later} {c?} gave {a!} {n?} {g?}{>doing}.",
    "{a!} bought {n?} {g?} from {c?}, the {c.trade}, for {>price}.",
    "{:later} {a!} found {n?} {g?} {>there}.",
)
SHARING = beat(
    "{:later} {an :animal} ate {k?} of {a}'s {g}, so {m} {m.was} left.",
    "{a} gave {c?} {k?} of the {g} for {>price} and kept {m}.",
    "{a} made {an ~day} {:dish} with {:stuff} and {k?} of the {g}. {c?} ate the other {m}.",
    "{a} gave {c?} {k?} of the {g}, {r?} {m}, and {b} {>gift}.",
    "{c?} bought {k?} of the {g}{>doing}. The other {m} went to {r?}.",
)
TRADING = beat(
    "{:later} {a!} sold {b} {an h?} {x?} for {n?} {g?} and {an :vessel} of {:stuff}.",
    '"{N n?} {g?} for your {h?} {x?}," said {b!}{>doing}, and {a} {~smiled}.',
    "{:later} {b!} paid {a} {n?} {g?} for {an h?} {x?}{>doing}.",
)
AFTER_TRADE = beat(
    "{b} showed {c?} the {x}{>doing}, and {a} ate {k?} of the {n} {g}.",
    "{b} lent {c?} the {x}; {k?} of the {g} went to {r?}, {m} to {r?}.",
    "{:later} {a} paid {>gift} and the {n} {g} to have the {x} back.",
)
EPISODES = (
    Episode("sharing", ("tale",), (HAVING,), (SHARING,)),
    Episode("trading", ("tale",), (TRADING,), (AFTER_TRADE,)),
)
