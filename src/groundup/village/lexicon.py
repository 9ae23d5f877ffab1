"""The words of the village: its people, things and places, and lists of words to choose from."""

from dataclasses import dataclass, replace
from typing import NamedTuple


class Person(NamedTuple):
    name: str
    pronoun: str  # "she" or "he"
    trade: str


class Thing(NamedTuple):
    name: str
    traits: str  # s: small enough to hide, f: breaks when it falls, h: heavy


class Place(NamedTuple):
    name: str
    at: str  # the preposition for being there


class Job(NamedTuple):
    plain: str
    past: str  # also the participle


@dataclass(frozen=True)
class Lexicon:
    """All words that patterns can choose from. A smaller one makes a village that can be enumerated."""

    people: tuple[Person, ...]
    things: tuple[Thing, ...]
    looks: tuple[str, ...]
    places: tuple[Place, ...]
    spots: tuple[str, ...]
    days: tuple[str, ...]
    goods: tuple[tuple[str, str], ...]  # singular and plural
    jobs: tuple[Job, ...]
    objects: tuple[str, ...]  # what a job is done to
    topics: tuple[str, ...]  # what people quarrel about
    stuff: tuple[str, ...]  # what is fetched, given and eaten
    most: int  # the largest number of goods that somebody has
    words: dict[str, tuple[str, ...]]  # "{:name}" chooses one of these
    moods: dict[str, tuple[tuple[str, ...], tuple[str, ...]]]  # "{~name}" chooses a warm or a cold one
    alternatives: int = 1000  # how many of the alternatives in a pattern are used
    lines: int = 1000  # how many of the lines of a beat are used

    def smaller(self, size: int, *, people: int, most: int, alternatives: int, lines: int) -> "Lexicon":
        """A village with only the first `size` words of each list, for tests that enumerate all its documents."""
        things = [
            [thing for thing in self.things if trait in thing.traits][: size + 1] for trait in ("s", "f", "h")
        ]
        return replace(
            self,
            people=self.people[:people],
            things=tuple(dict.fromkeys(thing for group in things for thing in group)),
            looks=self.looks[:size],
            places=self.places[: size + 1],
            spots=self.spots[: size + 1],
            days=self.days[:size],
            goods=self.goods[:size],
            jobs=self.jobs[:size],
            objects=self.objects[:size],
            topics=self.topics[:size],
            stuff=self.stuff[:size],
            most=most,
            words={name: words[:size] for name, words in self.words.items()},
            moods={name: (warm[:size], cold[:size]) for name, (warm, cold) in self.moods.items()},
            alternatives=alternatives,
            lines=lines,
        )


def _words(text: str) -> tuple[str, ...]:
    """One entry per part between bars."""
    return tuple(text.split("|"))


PEOPLE = tuple(
    Person(*line.split(","))
    for line in (
        "Ana,she,miller|Tom,he,smith|Rosa,she,weaver|Ben,he,baker|Mira,she,potter|Ivo,he,ferryman|Lena,she,teacher|"
        "Paul,he,carpenter|Nora,she,gardener|Karl,he,shepherd|Elsa,she,innkeeper|Hugo,he,cooper|Vera,she,beekeeper|"
        "Otto,he,fisherman|Dora,she,doctor|Max,he,mason|Ida,she,tailor|Felix,he,piper|Greta,she,cook|Leo,he,postman|"
        "Clara,she,painter|Jonas,he,hunter|Sofia,she,dyer|Emil,he,clockmaker"
    ).split("|")
)
THINGS = tuple(
    Thing(*entry.split("/"))
    for entry in (
        "key/s|lamp/sf|coat/s|jug/sf|drum/f|ladder/h|bell/s|kite/f|book/s|clock/sf|table/h|knife/s|fiddle/f|map/s|"
        "bowl/sf|chair/hf|purse/s|barrel/h|flute/sf|blanket/s|chest/h|mirror/sf|hat/s|kettle/s|rope/s|teapot/sf|"
        "bench/h|ring/s|lantern/sf|hammer/s|cradle/h|whistle/s|basket/s|vase/sf|plough/h|scarf/s|saw/s|comb/s|net/s|"
        "saddle/h"
    ).split("|")
)
PLACES = tuple(
    Place(*entry.split("/"))
    for entry in (
        "the mill/at|the market/at|the well/at|the garden/in|the inn/at|the bridge/at|the barn/in|the forge/at|"
        "the orchard/in|the harbour/at|the chapel/in|the school/at"
    ).split("|")
)
GOODS = (
    ("apple", "apples"), ("egg", "eggs"), ("pear", "pears"), ("cake", "cakes"), ("onion", "onions"),
    ("plum", "plums"), ("candle", "candles"), ("loaf", "loaves"), ("cheese", "cheeses"), ("herring", "herrings"),
)  # fmt: skip
JOBS = tuple(
    Job(*entry.split("/"))
    for entry in (
        "paint/painted|mend/mended|clean/cleaned|wash/washed|repair/repaired|finish/finished|"
        "measure/measured|oil/oiled|move/moved"
    ).split("|")
)
STUFF = _words(
    "honey|salt|flour|tea|butter|cherries|beans|nails|wool|soap|ginger|pepper|rice|seeds|mustard|buttons|paper|wax|"
    "sugar|ink|nuts|raisins|feathers|coal"
)
WORDS = {
    "stuff": STUFF,
    "daytime": _words("morning|afternoon|day|evening|spring day|summer day|autumn day|winter day"),
    "later": _words("Then|Soon|Later|Next|Now|Suddenly|By and by|Before long"),
    "went": _words("walked|went|came|strolled|hurried|wandered|rode|ran|limped|crept"),
    "get": _words("buy|sell|fetch|find|order|steal|beg for|look for|ask for|deliver"),
    "liked": _words("loved|sold|hated|made|collected|dreamed of|feared|lived on"),
    "doing": _words(
        "counting|washing|selling|sorting|stacking|drawing|carrying|admiring|packing|hiding|weighing|throwing|"
        "wrapping|buying|juggling|painting"
    ),
    "objects": _words(
        "plates|barrels|boxes|boots|shirts|bottles|chairs|spoons|pots|bricks|sacks|shoes|baskets|toys|brooms|wheels|"
        "apples|eggs|pears|cakes|onions|plums|candles|loaves|herrings|hats|ropes|books|turnips|pumpkins|socks|masks"
    ),
    "occasion": _words("feast|dance|wedding|harvest|journey|fair|race|play|hunt|picnic|party|birthday"),
    "vessel": _words("jar|bag|box|tin|bowl|sack|basket|cup|crate|bucket|barrel|handful"),
    "hue": _words("red|blue|green|brown|grey|yellow|white|black|purple|striped|torn|silk"),
    "garment": _words("cap|cloak|shawl|apron|shirt|jacket|hood|gown|wig|waistcoat|jersey|nightshirt"),
    "animal": _words(
        "dog|cat|goose|goat|hen|donkey|owl|mouse|crow|pig|sheep|blackbird|horse|cow|frog|fox|duck|hedgehog|rabbit|snail"
    ),
    "animals": _words(
        "dogs|cats|geese|goats|hens|donkeys|owls|mice|crows|pigs|sheep|sparrows|horses|cows|frogs|foxes|ducks|"
        "hedgehogs|rabbits|snails"
    ),
    "beast_did": _words("slept|waited|watched|yawned|stared|listened|blinked|grumbled|sneezed|snored"),
    "where": _words("on|under|behind|beside|near|in front of"),
    "landmark": _words(
        "bench|wall|cart|gate|stove|tree|pump|hedge|woodpile|steps|boat|fountain|haystack|bush|rock|stable|window|"
        "statue|dovecote|scarecrow"
    ),
    "bit": _words("hungry|late|wet|sleepy|cold|dizzy|lost|shy|deaf"),
    "smell": _words("hay|bread|smoke|leaves|fish|wood|roses|tar|thyme|mud|soup|rain"),
    "scent": _words("cheese|horses|varnish|cabbage|goats|lavender|paint|the sea|burnt milk"),
    "noise": _words("bell|door|saw|drum|cock|hammer|baby|cart|fiddle|dog|gate|horn|choir|kettle|mill|whistle"),
    "noisy": _words("rang out|creaked|was heard|made a noise|woke everyone|went on and on|started again|stopped"),
    "important": _words("mayor|king|priest|judge|duke|captain|queen|sheriff|bishop|countess|general|pope"),
    "dealt": _words("had bought|had lost|wanted|had stolen|was selling|had found|was looking for|had won"),
    "has_dealt": _words("has bought|has lost|wants|has stolen|sells|has found|is looking for|has won"),
    "broke": _words("broke|cracked|split|fell apart|burst|came to pieces"),
    "repair": _words("glue|wire|resin|thread|string|leather|tin|clay|tar|moss"),
    "storm": _words("rain|snow|hail|drizzle|thunder|pour|blow|freeze"),
    "helped": _words("pushed|pulled|sang|whistled|watched|helped|complained|laughed|prayed|steered"),
    "home": _words("walked home|went home|strolled home|hurried home|rode home|ran home"),
    "dish": _words("soup|stew|pie|pudding|cake|salad|sauce|porridge|bread|tart"),
    "number": _words("two|three|four|five|six|seven|eight|nine|ten|twelve"),
    "evening": _words("At sunset|In the evening|At nightfall|Before dark|At last|That night|At bedtime|After supper"),
    "reply": _words("Perhaps|Who knows|Ask the owl|Wait and see|A secret|Not today|I forget|Guess|Maybe|Look around"),
    "gone": _words("lost|gone|stolen|nowhere|missing"),
    "sorry": _words("sad|cross|sorry|in tears|upset|desperate|silent|furious"),
}  # fmt: skip
MOODS = {
    "day": (
        _words("bright|mild|clear|golden|soft|warm|fresh|sunny"),
        _words("grey|cold|dark|raw|bitter|windy|foggy|damp"),
    ),
    "feel": (
        _words("glad|happy|proud|calm|cheerful|hopeful|content|merry"),
        _words("tired|sad|cross|worried|lonely|gloomy|restless|sulky"),
    ),
    "kind": (
        _words("friendly|honest|patient|cheerful|generous|gentle|lively|clever"),
        _words("grumpy|stubborn|silent|stern|nervous|stingy|tired|proud"),
    ),
    "way": (
        _words("kindly|softly|gladly|gently|warmly|brightly|calmly|sweetly|politely|proudly"),
        _words("sharply|coldly|dryly|sadly|stiffly|wearily|gruffly|sternly|bitterly|crossly"),
    ),
    "state": (
        _words("clean|polished|dry|brushed|mended|shining|as good as new|wrapped in silk"),
        _words("dusty|scratched|wet|stained|muddy|bent|smelling of smoke|covered in straw"),
    ),
    "taste": (
        _words("sweet|warm|fresh|golden|fine|rich"),
        _words("cold|sour|burnt|salty|thin|old"),
    ),
    "life": (
        _words("sweet|easy|beautiful|simple|kind|wonderful"),
        _words("short|hard|strange|unfair|dull|expensive"),
    ),
    "smiled": (
        _words("smiled|laughed|nodded|clapped|beamed|hummed"),
        _words("sighed|frowned|shrugged|groaned|grumbled|sniffed"),
    ),
}

KINDS = _words("old|little|big|new|heavy|fine|plain|odd")
HUES = _words("red|blue|green|brown|black|yellow|white|grey")

FULL = Lexicon(
    people=PEOPLE,
    things=THINGS,
    looks=tuple(f"{kind} {hue}" for hue in HUES for kind in KINDS),
    places=PLACES,
    spots=_words(
        "under the stairs|behind the stove|in the hay|under a stone|on the top shelf|in the hollow tree|"
        "behind the door|in a sack|under a floorboard|in an old boot|among the onions|up in the rafters"
    ),
    days=_words("Sunday|Monday|Friday|Saturday|Tuesday|Thursday|Wednesday"),
    goods=GOODS,
    jobs=JOBS,
    objects=_words("gate|fence|roof|chimney|door|barn|cart|stairs|pump|boat|shed|cradle"),
    topics=_words(
        "wool|bread|money|fish|goats|cards|politics|the weather|an old song|a broken cup|a muddy boot|a recipe|"
        "a lost sheep|the king's nose|the time|a borrowed spoon"
    ),
    stuff=STUFF,
    most=9,
    words=WORDS,
    moods=MOODS,
)
