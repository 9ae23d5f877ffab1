"""Things that can be counted: picked, eaten, shared and traded, so that the rest must be right."""

from groundup.village.patterns import Episode, beat

HAVING = beat(
    "{a!} had {n?} {g?} in {an :vessel} and put them {:where} the {:landmark}.",
    "{:later} {c?} gave {a!} {n?} {g?} in {an :hue} {:vessel}.",
    "{a!} bought {n?} {g?} from {c?}, the {c.trade}, for {:stuff}.",
)
SHARING = beat(
    "{:later} {an :animal} ate {k?} of {a}'s {g}, so {m} {m.was} left.",
    "{a} gave {c?} {k?} of the {n} {g}, so {a.he} had {m} left.",
    "{a} and {b} made {an :dish} with {:stuff} and {k?} of the {g}. {c?} ate the other {m}.",
    "{a} counted the {g}: {k?} for {c?}, and {m} for {b}.",
)
TRADING = beat(
    "{:later} {a!} sold {b} {an h?} {x?} for {n?} {g?} and {an :vessel} of {:stuff}.",
    '"{n?} {g?} for your {h?} {x?}," said {b!} {~way}, and {a} {~smiled}.',
)
AFTER_TRADE = beat(
    "{b} showed {c?} the {x}, and {a} ate {k?} of the {n} {g}.",
    "{b} gave the {x} to {c?}. {a} sold {k?} {g} and kept {m}.".replace("{k?} {g}", "{k?} of the {g}"),
)
EPISODES = (
    Episode("sharing", ("tale",), (HAVING,), (SHARING,)),
    Episode("trading", ("tale",), (TRADING,), (AFTER_TRADE,)),
)
