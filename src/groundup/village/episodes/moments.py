"""Small things that happen and are over: animals, smells, rumours, weather."""

from groundup.village.patterns import Episode, Line, beat
from groundup.village.world import Facts, met, unmet


def busy(facts: Facts) -> bool:
    """Something else has happened: so small things come in between, and no tale is made of them alone."""
    return facts.told > 0


def arrive(facts: Facts) -> Facts:
    """People are now at the place that they ran to."""
    return facts._replace(p=facts.q)


def calm(facts: Facts) -> bool:
    """Nobody has spoken of the weather yet."""
    return facts.W < 0


BEAST = beat(
    Line("{:later} {an :breed} {B?} {:antic} {p:spot}.", 3, when=unmet),
    Line("{:later} the {B} {:antic} in front of {r?} and {:number} {:animals}.", 4, when=met),
    Line("{A :number} {:animals} came by, and {r?} followed{>doing_r}."),
    Line("{r?} counted {:number} {:animals} {p:spot} and {gave them names|blushed|began again|wept}.", 1),
)
SENSES = beat(
    "It smelled of {:smell}, and somewhere a {:noise} {:noisy}.",
    "A {:noise} {:noisy}, and {r?} came out to look{>doing_r}.",
    "{r?} and {r?} came by, {quarrelling|singing|weeping} over {>gift}.",
    "{r?} passed with {:number} {r:ware} for {r?}.",
)
NEWS = beat(
    '"The {:important} {:dealt} {an h?} {x?}!" {c?} told {a} and {b}.',
    "{c?}, {an ~kind} {c.trade}, said that the {:important} {>scandal}.",
    '{c?} came from {q?}. "The {:important} {>scandal}," {c.he} said {~way}.',
    "{c?} read aloud that the {:important} {:dealt} {an h?} {x?}.",
)
WEATHER = beat(
    Line("All at once it was {W?}, and {a} and {b} ran to {q?} with {>gift}.", then=arrive),
    Line("{:later} it was {W?}. {b!} stood {p:spot} and sang{>doing_b}."),
    Line("{:later} it was {W?}, and {a} and {b} ran to {q?}{>coming}.", then=arrive),
)
POCKETS = beat(
    "{:later} {a!} emptied {a.own} {:pocket}: {>gift}, {>gift} and {>gift}.",
    "{r?} came by with a cart and sold {b!} {>gift}, {>gift} and {>gift}.",
    "{:later} {a!} counted {a.own} friends: {r?}, {r?} and {:number} {:animals}.",
)
ROAD = beat(
    "On the road lay {>gift}, {>gift} and {r?}.",
    "{r?} came by with {>gift}, {r?} with {>gift}.",
    "{:later} {r?} rode by on {an :breed} {:animal}, followed by {:number} {:animals}.",
    "{c?} had dreamed of {>gift}, {:number} {:animals} and {r?}.",
)
EPISODES = (
    Episode("road", ("tale",), (ROAD,), weight=9, when=busy),
    Episode("pockets", ("tale",), (POCKETS,), weight=9, when=busy),
    Episode("beast", ("tale",), (BEAST,), weight=3),
    Episode("senses", ("tale",), (SENSES,), weight=2, when=busy),
    Episode("news", ("tale",), (NEWS,), weight=2),
    Episode("weather", ("tale",), (WEATHER,), weight=2, when=calm),
)
