"""Small things that happen and are over: animals, smells, news, weather."""

from groundup.village.patterns import Episode, Line, beat
from groundup.village.world import Facts


def arrive(facts: Facts) -> Facts:
    """People are now at the place that they ran to."""
    return facts._replace(p=facts.q)


BEAST = beat(
    "{An :animal} and {:number} {:animals} {:idled} {>there}.",
    "{A :number} {:animals} {:idled} {>there}.",
    "{:later} {:number} {:animals} came by with {r?}{>doing}.",
)
SENSES = beat(
    "It smelled of {:smell} and {:stuff}, and a {:noise} {:noisy} {>there}.",
    "A {:noise} {:noisy}, and {r?} came by with {>gift}.",
    "{r?}, {r?} and {:number} {:animals} {:idled} {>there}.",
)
NEWS = beat(
    '"The {:important} {:dealt} {an h?} {x?}!" {c?} told {a} and {b}.',
    "{c?}, {an ~kind} {c.trade}, said that the {:important} {:dealt} {>gift}.",
    '{c?} came from {q?}. "The {:important} {:dealt} {r?}\'s {:objects}," {c.he} said {~way}.',
)
WEATHER = beat(
    Line("It began to {:storm}, so {a} and {b} ran to {q?} with {>gift}.", then=arrive),
    Line("{:later} it began to {:storm}. {b!} waited {>there} {>while}."),
    Line("{:later} it began to {:storm}, and {a} and {b} ran to {q?}{>coming}.", then=arrive),
)
EPISODES = (
    Episode("beast", ("tale",), (BEAST,), weight=2),
    Episode("senses", ("tale",), (SENSES,), weight=2),
    Episode("news", ("tale",), (NEWS,), weight=2),
    Episode("weather", ("tale",), (WEATHER,), weight=2),
)
