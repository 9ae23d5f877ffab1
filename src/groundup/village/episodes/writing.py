"""What people write about in letters: things they owe, secrets, invitations, work, and news of others."""

from groundup.village.patterns import Episode, beat

OWING = beat(
    "I still have your {h?} {x?} and will bring it on {d?}.",
    "Your {h?} {x?} is here, {~state}, and you will have it on {d?}.",
    "May I keep your {h?} {x?} until {d?}? I need it for {r?}'s {:occasion}.",
    "You lent me {an h?} {x?}, and {r?} wants it until {d?}.",
)
RETURNING = beat(
    "On {d} you get the {x}, {~state}, with {>gift}.",
    "On {d} I come with the {x}{>doing}.",
    "If {d} is too early for the {x}, send {r?} with {>gift}.",
    "With the {x} you will get {>gift} on {d}.",
)
SECRET = beat(
    "My {h?} {x?s} is {s?} {at q?}, but tell nobody.",
    "{c?} must not find my {h?} {x?s}, so I put it {s?} {at q?}.",
    "I hid {an h?} {x?s} {s?} {at q?} {>while}.",
)
REMEMBER = beat(
    "Look {s} for the {x}, and wear {an :hue} {:garment}.",
    "{r?} and {r?} must never look {s}{>doing}!",
    "Leave {>gift} and {>gift} {s} {at q}.",
    "The {x} is {~state}, but {s} there is {>gift} too.",
)
NEWS = beat(
    "{c?}, {an ~kind} {c.trade}, {:has_dealt} {an h?} {x?}.",
    "{c?} has {an h?} {x?} from {r?} and is {~feel}.",
    "Have you seen the {h?} {x?} that {c?} keeps {>there}?",
)
MORE_NEWS = beat(
    "Please give {c} {>price} for the {x}.",
    "Tell {c} and {r?} to put the {x} {>there}.",
    "Offer {c} {>price} and {>gift} for the {x}.",
    "{c} says that the {x} is worth {>price}, and {r?} laughs.",
)
COUNTING = beat(
    "I have {n?} {g?} from {c?} in {an :hue} {:vessel}.",
    "{c?} owes me {n?} {g?} for {>gift}.",
    "My {:animals} found {n?} {g?} {>there}.",
)
SHARES = beat(
    "I keep {k?} of the {g} and send {m} to {r?}{>doing}.",
    "{r?} ate {k?} of the {g}{>doing}. Now {m} {m.is} left.",
    "Send {an :vessel} of {:stuff} for {k?} of the {g}; I keep {m}.",
)
INVITING = beat(
    "Come to {q?} on {d?}: there will be {an ~taste} {:dish} and {>gift}.",
    "On {d?} there is {r?}'s {:occasion} {at q?}. Will you come?",
    "Will you meet me {at q?} on {d?}, {>there}?",
)
INSISTING = beat(
    "So on {d} I shall wait {at q}{>doing}.",
    "Bring {>gift} to {q} on {d}, and {>gift} too.",
    "On {d} I shall wear {an :hue} {:garment} and {an :hue} {:garment}.",
    "Should it {:storm} on {d}, bring {>gift} and {>gift}.",
)
WORKING = beat(
    "I have promised to {j?} {c?}'s {v?} before {d?}.",
    "{c?} gave me {>price} to {j?} the {v?} before {d?}.",
)
HELPING = beat(
    "Bring {:repair} and {>gift} for the {v} before {d}.",
    "When I have {j.past} the {v}, I shall rest {>there}{>doing}.",
    "{c} looks at the {v} every day{>doing}.",
)
PASSING = beat(
    "All day long {:number} {:animals} sat {>there}, and a {:noise} {:noisy}.",
    "Here it smells of {:smell} and {:stuff}, and life is {~life}.",
    "Yesterday it began to {:storm} {>while}.",
    "I have {~way} read your letter to {:number} {:animals}.",
    "Last night I dreamed of {:animals} and {:objects} {>there}.",
)
EPISODES = (
    Episode("owing", ("letter",), (OWING,), (RETURNING,)),
    Episode("secret", ("letter",), (SECRET,), (REMEMBER,)),
    Episode("report", ("letter",), (NEWS,), (MORE_NEWS,)),
    Episode("shares", ("letter",), (COUNTING,), (SHARES,)),
    Episode("inviting", ("letter",), (INVITING,), (INSISTING,)),
    Episode("working", ("letter",), (WORKING,), (HELPING,)),
    Episode("passing", ("letter",), (PASSING,)),
)
