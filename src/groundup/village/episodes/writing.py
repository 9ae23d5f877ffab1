"""What people write about in letters: things they owe, secrets, invitations, work, and news of others."""

from groundup.village.patterns import Episode, Line, beat
from groundup.village.world import met

OWING = beat(
    "I still have your {h?} {x?} and will bring it on {d?}.",
    "Your {h?} {x?} is here, {~state}, and you will have it on {d?}.",
    "May I keep your {h?} {x?} until {d?}? I want to {>use_x}.",
    "You lent me {an h?} {x?} to {>use_x}, and it is yours again on {d?}.",
    "About your {h?} {x?}: it {:quirk}, but you will have it on {d?}.",
)
RETURNING = beat(
    "{On|Early on|Late on} {d} you get the {x}, {~state}, with {>gift}.",
    "{On|Early on|Late on} {d} I come with the {x}. Please make {an ~taste} {:dish}.",
    "If {d} is too early for the {x}, send {r?} with {>gift} and {>gift}.",
    "With the {x} you will get {:number} {a:ware} and {>gift} on {d}.",
    "Should {r?} ask for the {x} before {d}, say that it {:quirk}.",
)
SECRET = beat(
    "My {h?} {x?s} is {s?} {at q?}, but tell nobody.",
    "{c?} must not find my {h?} {x?s}, so I {put|hid|laid} it {s?} {at q?}.",
    "I hid {an h?} {x?s} {s?} {at q?} and have {told only|not told} {r?}.",
    "{If I die|Should I marry|If they ask}, my {h?} {x?s} is {s?} {at q?}.",
)
REMEMBER = beat(
    "Look {s} for the {x}, and take {>gift} and {>gift} too.",
    "{r?} must never look {s}, and {r?} only with {>gift}.",
    "Leave {>gift} {s} {at q}, but do not {touch|frighten} the {x}.",
    "If you find {>gift} {s} beside the {x}, tell {r?}.",
    "{Last night|Again} I dreamed that {r?} looked {s} and ate {>gift}.",
)
NEWS = beat(
    "{c?}, {an ~kind} {c.trade}, {:has_dealt} {an h?} {x?}.",
    "{c?} has {an h?} {x?} from {r?} and uses it to {>use_x}.",
    "{c?} bought {an h?} {x?} to {>use_x}, and now {nobody sleeps|everybody wants one|the cat weeps}.",
    "Have you seen {c?}'s {h?} {x?}? They say that it {:quirk}.",
)
MORE_NEWS = beat(
    "Please offer {c} {>price} for the {x}.",
    "Tell {c} that {r?} wants the {x} to {>use_x}.",
    "{c} says that the {x} is worth {>price}, and {r?} {laughs|weeps|agrees}.",
    "They say that {c} sleeps with the {x} and {:number} {:animals}.",
)
COUNTING = beat(
    "{c?} gave me {n?} {g?} for {:number} {a:ware}.",
    "{c?} owes me {n?} {g?} for {>gift}.",
    "I found {n?} {g?} {p:spot} and {told nobody|blushed|ran}.",
    "I won {n?} {g?} from {c?} at cards.",
)
SHARES = beat(
    Line("I keep {k?} of the {g} and send {m} to {r?}."),
    Line("{r?} ate {k?} of the {g}{>doing_r}. Now {m} {m.is} left."),
    Line("Send {>gift} for {k?} of the {g}; I keep {m}."),
    Line("The {B} ate {k?} of the {g}. Now {m} {m.is} left.", when=met),
)
INVITING = beat(
    "Come to {q?} on {d?}: there will be {an ~taste} {:dish}, {>gift} and {r?}.",
    "On {d?} there is {r?}'s {:occasion} {at q?}. Will you come?",
    "Will you meet me {at q?} on {d?}, with {>gift}, but without {r?}?",
    "{c?} will sing about {:oddities} {at q?} on {d?}. Do not leave me alone!",
)
INSISTING = beat(
    "So on {d} I shall wait {at q} with {>gift}, {~feel} as {an :animal}.",
    "Bring {>gift} to {q} on {d}, but not {r?}.",
    "{On|Early on|Late on} {d} I shall wear {an :hue} {:garment}, so {look out|be kind|do not laugh}.",
    "Should it {:storm} on {d}, bring {>gift} and {come all the same|stay at home|sing}.",
)
WORKING = beat(
    "I have to {j?} {c?}'s {v?} before {d?}, for I {lost a bet|was asked|talk in my sleep|could not say no}.",
    "{c?} gave me {>price} to {j?} the {v?} before {d?}.",
    "I said that I would {j?} {c?}'s {v?} before {d?}, and now I am {~feel}.",
)
HELPING = beat(
    "Bring {:repair} and {>gift} for the {v} before {d}.",
    "When I have {j.past} the {v}, I shall sleep for {:number} days, like {an :animal}.",
    "{c} looks at the {v} every day{>doing_c}.",
    "Half of the {v} is {j.past} with {:repair}, the {better|wrong|lower} half.",
)
PASSING = beat(
    "All day long {:number} {:animals} sat {p:spot} and {looked at|sang to|waited for|laughed at} me.",
    "Here it smells of {:smell} and {:animals}, and life is {~life}.",
    "Yesterday it began to {:storm}, and {r?} ran in with {>gift} and {:number} {:animals}.",
    "I have {~way} read your letter to {:number} {:animals}.",
    "{Last night|Again} I dreamed that {r?} was {an :animal}.",
    "They say that the {:important} {>scandal}.",
    "{r?} sends you {>gift} and says that the {:important} {>scandal}.",
)
WISHES = beat(
    "Please send me {>gift}, {>gift} and {>gift}.",
    "This week I have eaten {an ~taste} {:dish}, {an ~taste} {:dish} and {>gift}.",
    "In your room I found {>gift}, {:number} {:animals} and {>gift}.",
    "{r?} has asked me to marry {r.him}, with {>gift} and {:number} {:animals}.",
)
GOSSIP = beat(
    "{r?} has {:number} {:animals} now, and {r?} has {>gift}.",
    "{r?} and {r?} are fighting over {>gift} and {>gift}.",
    "My doctor forbids me {:presents}, {:animals}, {:oddities} and {r?}.",
    "{r?} gave {r?} {>gift} and got {>gift}.",
)
EPISODES = (
    Episode("gossip", ("letter",), (GOSSIP,), weight=8),
    Episode("wishes", ("letter",), (WISHES,), weight=8),
    Episode("owing", ("letter",), (OWING,), (RETURNING,)),
    Episode("secret", ("letter",), (SECRET,), (REMEMBER,)),
    Episode("report", ("letter",), (NEWS,), (MORE_NEWS,)),
    Episode("shares", ("letter",), (COUNTING,), (SHARES,), weight=3),
    Episode("inviting", ("letter",), (INVITING,), (INSISTING,)),
    Episode("working", ("letter",), (WORKING,), (HELPING,)),
    Episode("passing", ("letter",), (PASSING,)),
)
