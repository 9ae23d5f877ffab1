"""Small things that happen and are over: animals, smells, news, weather."""

from groundup.village.patterns import Episode, Line, beat
from groundup.village.world import Facts


def arrive(facts: Facts) -> Facts:
    """People are now at the place that they ran to."""
    return facts._replace(p=facts.q)


BEAST = beat(
    "{an :animal} and {:number} {:animals} {:beast_did} {:where} the {:landmark}.".replace("{an :animal}", "{An :animal}"),
    "{:number} {:animals} {:beast_did} {:where} the {:landmark}.".replace("{:number}", "{A :number}"),
)
SENSES = beat(
    "It smelled of {:smell} and {:smell}, and somewhere a {:noise} {:noisy}.",
    "Somewhere a {:noise} {:noisy}, and {c?} came by with {:objects}.",
)
NEWS = beat(
    '"The {:important} {:dealt} {an h?} {x?}!" {c?} told {a} and {b} {~way}.',
    "{c?}, {an ~kind} {c.trade}, said that the {:important} {:dealt} {:number} {:objects}.",
)
WEATHER = beat(
    Line("It began to {:storm}, so {a} and {b} ran to {q?} with {:number} {:objects}.", then=arrive),
    Line("{:later} it began to {:storm}. {a} and {b} waited in {an :hue} cart and drove to {q?}.", then=arrive),
)
EPISODES = (
    Episode("beast", ("tale",), (BEAST,), weight=2),
    Episode("senses", ("tale",), (SENSES,), weight=2),
    Episode("news", ("tale",), (NEWS,), weight=2),
    Episode("weather", ("tale",), (WEATHER,), weight=2),
)
