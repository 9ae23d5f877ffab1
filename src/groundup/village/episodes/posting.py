"""What stands in notices: how a thing looks, who saw it, what is paid, who comes, what a trick promises."""

from groundup.village.kinds.notice import only
from groundup.village.patterns import Episode, Line, beat

MARKS = beat(
    "The {y} smells of {:smell} and {:stuff}.",
    "There is {an :animal} painted on the {y}, {:doing} {:objects}.",
    "{c?} made the {y} from {:repair} and {:stuff}.",
    "On the {y} one can read: {A ~feel} as {an :animal}.",
)
SEEN = beat(
    "{c?}, the {c.trade}, saw it {>there} with {:number} {:animals}.",
    "{c?} looked {>there}, but in vain.",
    "Some say that {c?} had it{>doing}.",
)
REWARD = beat(
    Line("The finder gets {n?} {g?} and {>gift}.", when=only("lost")),
    Line("Reward: {n?} {g?} in {an :hue} {:vessel}.", when=only("lost")),
    Line("It costs {n?} {g?}, or {>price}.", when=only("sale")),
    Line("{c?} has offered {n?} {g?} and {>gift}.", when=only("sale", "found")),
    Line("It costs only {n?} {g?}, says {c?}{>doing}.", when=only("trick")),
    Line("There will be {n?} {g?} and {>gift}.", when=only("feast")),
)
TERMS = beat(
    "Of the {n} {g}, {k?} {k.is} for {c?} and {m} for {r?}.",
    "{a} keeps {k?} of the {g} {>there} and {m} {>there}.",
    "{c?} ate {k?} of the {g}{>doing}. Now {m} {m.is} left.",
)
HELP = beat(
    "Ask {c?}, {an ~kind} {c.trade}, {>there}.",
    "{c?} will help on {d?}, with {>gift}.",
    "{c?} cannot read this, so tell {r?} before {d?}.",
)
HELPED = beat(
    "{c} does not like {:animals} or {:objects}.",
    "{c} is {~kind} and {~feel}, and wears {an :hue} {:garment}.",
    "Give {c} {>gift} for the trouble.",
)
GUESTS = beat(
    "{c?} brings {>gift}, and {r?} brings {>gift}.",
    "{c?} will sing about {:animals}{>doing}.",
    "{r?} and {r?} dance with {:number} {:animals} {>there}.",
)
GUEST = beat(
    "Wear {an :hue} {:garment} and bring {>gift}.",
    "If it should {:storm}, we shall sit {>there}.",
    "No {:animals}, please, and no {:objects}.",
)
PROMISES = beat(
    "It turns {:objects} into {:stuff} and {:animals} into {:objects}.",
    "{c?} used it and now owns {:number} {:animals} and {>gift}.",
    "Whoever buys two gets {>gift} from {r?}.",
    "Do not believe {c?}{>doing}!",
)
URGING = beat(
    "The {:important} {:dealt} one too!",
    "Hurry: {r?} and {r?} are waiting {>there}!",
    "Sell your {:objects}, sell your {:animals}, and come!",
)
EPISODES = (
    Episode("marks", ("notice",), (MARKS,), when=only("lost", "found", "sale")),
    Episode("seen", ("notice",), (SEEN,), when=only("lost", "found")),
    Episode("reward", ("notice",), (REWARD,), (TERMS,)),
    Episode("help", ("notice",), (HELP,), (HELPED,)),
    Episode("guests", ("notice",), (GUESTS,), when=only("feast")),
    Episode("guest", ("notice",), (GUEST,), when=only("feast")),
    Episode("promises", ("notice",), (PROMISES,), when=only("trick")),
    Episode("urging", ("notice",), (URGING,), when=only("trick")),
)
