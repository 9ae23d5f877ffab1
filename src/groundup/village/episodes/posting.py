"""What stands in notices: how a thing looks, who saw it, what is paid, who comes, what a trick promises."""

from groundup.village.kinds.notice import only
from groundup.village.patterns import Episode, Line, beat
from groundup.village.world import met, unmet

MARKS = beat(
    Line("Be careful: the {y} {:quirk}."),
    Line("There is {an :hue} {:animal} painted on the {y}."),
    Line("On the {y} one can read: {A ~feel} as {an :animal}."),
    Line("{c?} made the {y} from {:repair} in {:number} days."),
    Line("{c?} says that one can use the {y} to {>use_y}.", when=only("sale", "found")),
)
SEEN = beat(
    Line("{c?}, the {c.trade}, saw it {o:spot} with {an :breed} {B?}."),
    Line("{c?} looked {o:spot}, but found only {>gift} and {>gift}."),
    Line("{Some say|One hears|We fear} that {c?} needed it to {>use_y}."),
    Line("It was last seen in the mouth of {an :breed} {B?}.", when=only("lost")),
)
REWARD = beat(
    Line("The finder gets {n?} {g?} and {>gift}.", when=only("lost")),
    Line("Reward: {n?} {g?} and {no questions|a handshake|a song}.", when=only("lost")),
    Line("It costs {n?} {g?}, or {>price}.", when=only("sale")),
    Line("{c?} has offered {n?} {g?} and {>gift}.", when=only("sale", "found")),
    Line("It costs only {n?} {g?}, says {c?}{>doing_c}.", when=only("trick")),
    Line("There will be {n?} {g?} and {>gift}.", when=only("feast")),
    Line("{r?} gives {n?} {g?} for the {:contest}.", when=only("feast")),
)
TERMS = beat(
    Line("Of the {n} {g}, {k?} {k.is} for {c?} and {m} for {r?}."),
    Line("{c?} says that {k?} of the {g} {k.is} {~taste} and {m} {m.is} {~taste}."),
    Line("{c?} ate {k?} of the {g}{>doing_c}. Now {m} {m.is} left."),
    Line("{An :breed} {B?} ate {k?} of the {g}. Now {m} {m.is} left.", when=unmet),
    Line("The {B} ate {k?} of the {g}. Now {m} {m.is} left.", 2, when=met),
)
HELP = beat(
    "Ask {c?}, {an ~kind} {c.trade}, {o:spot}.",
    "{c?} will help on {d?}, for {>price}.",
    "{c?} cannot read, so tell {c.him} before {d?} and bring {>gift}.",
)
HELPED = beat(
    "{c} does not like {:animals}.",
    "{c} is {~kind} and wears {an :hue} {:garment}.",
    "Give {c} {>gift} and {>gift} for {the trouble|coming}.",
    "Do not speak to {c} of {u?} or of {:oddities}.",
)
GUESTS = beat(
    "{c?} brings {:number} {c:ware}, and {r?} brings {>gift}.",
    "{c?} will sing about {:animals}, if nobody stops {c.him}.",
    "{r?} and {r?} will {dance|sing|wrestle} with {:number} {:animals}.",
    "{c?} will speak about {u?} {o:spot}. Bring {>gift}.",
)
GUEST = beat(
    "Wear {an :hue} {:garment} and bring {>gift}.",
    "If it should {:storm}, we shall sit {o:spot}.",
    "No {:animals}, please: remember {r?}'s {:occasion}.",
    "Whoever speaks of {u?} must wash up.",
)
PROMISES = beat(
    "It turns {:animals} into {:stuff} and {:presents} into {:presents}.",
    "{c?} used it and now owns {:number} {:animals} and {>gift}.",
    "Whoever buys two gets {>gift} and {>gift} from {r?}.",
    "Do not believe {c?}, who only lost {>price}!",
    "It works {o:spot}, while you {sleep|eat|wait}!",
)
URGING = beat(
    "The {:important} {:dealt} one too!",
    "Hurry: {r?} and {r?} are waiting {o:spot}!",
    "Sell your {:animals} and come!",
    "{c?} laughed, and now {c.he} has only {>gift}!",
)
MENU = beat(
    "There will be {an ~taste} {:dish}, {an ~taste} {:dish} and {>gift}.",
    "Programme: {:number} {:animals}, {>gift}, and a song by {r?} about {:oddities}.",
    "Last year {r?} brought {>gift} and {r?} {>gift}. Never again!",
)
MORE = beat(
    Line("Also {lost|missing}: {>gift}, {>gift} and {>gift}.", when=only("lost")),
    Line("Also found: {>gift}, {>gift} and {:number} {:animals}.", when=only("found")),
    Line("Also for sale: {>gift}, {>gift} and {:number} {:animals}.", when=only("sale")),
)
BOAST = beat(
    "{r?} got {>gift}, {r?} got {>gift}. And you?",
    "{r?} sold {:number} {:animals} and {>gift} to have one!",
)
SCRIBE = beat(
    "Spoken by {a}, written by {r?} for {>gift}.",
    "Whoever tears this down gets {>gift} from {r?}.",
    "{r?}, who hung this up, wants {>gift} or {:number} {:animals} for it.",
)
EPISODES = (
    Episode("boast", ("notice",), (BOAST,), when=only("trick"), weight=9),
    Episode("scribe", ("notice",), (SCRIBE,), weight=5),
    Episode("menu", ("notice",), (MENU,), when=only("feast"), weight=9),
    Episode("more", ("notice",), (MORE,), when=only("lost", "found", "sale"), weight=9),
    Episode("marks", ("notice",), (MARKS,), when=only("lost", "found", "sale")),
    Episode("seen", ("notice",), (SEEN,), when=only("lost", "found")),
    Episode("reward", ("notice",), (REWARD,), (TERMS,)),
    Episode("help", ("notice",), (HELP,), (HELPED,)),
    Episode("guests", ("notice",), (GUESTS,), when=only("feast")),
    Episode("guest", ("notice",), (GUEST,), when=only("feast")),
    Episode("promises", ("notice",), (PROMISES,), when=only("trick")),
    Episode("urging", ("notice",), (URGING,), when=only("trick")),
)
