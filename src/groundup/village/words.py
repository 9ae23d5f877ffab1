"""The words of the full village. Near the front of a list stand the frequent ones."""

from groundup.village.lexicon import Job, Lexicon, Person, Place, Thing


def split(text: str) -> tuple[str, ...]:
    """One entry per part between bars."""
    return tuple(text.split("|"))


def records(text: str) -> list[list[str]]:
    """The fields of each entry, which are separated by slashes."""
    return [entry.split("/") for entry in split(text)]


SHE = (
    "Ana/miller|Rosa/weaver|Mira/potter|Lena/teacher|Nora/gardener|Elsa/innkeeper|Vera/beekeeper|Dora/doctor|"
    "Ida/tailor|Greta/cook|Clara/painter|Sofia/dyer"
)
HE = (
    "Tom/smith|Ben/baker|Ivo/ferryman|Paul/carpenter|Karl/shepherd|Hugo/cooper|Otto/fisherman|Max/mason|"
    "Felix/piper|Leo/postman|Jonas/hunter|Emil/clockmaker"
)
PEOPLE = tuple(
    Person(name, pronoun, trade)
    for couple in zip(records(SHE), records(HE), strict=True)
    for pronoun, (name, trade) in zip(("she", "he"), couple, strict=True)
)
THINGS = (
    "key/s|lamp/sf|coat/s|jug/sf|drum/f|ladder/h|bell/s|kite/f|book/s|clock/sf|table/h|knife/s|fiddle/f|map/s|"
    "bowl/sf|chair/hf|purse/s|barrel/h|flute/sf|blanket/s|chest/h|mirror/sf|hat/s|kettle/s|rope/s|teapot/sf|"
    "bench/h|ring/s|lantern/sf|hammer/s|cradle/h|whistle/s|basket/s|vase/sf|plough/h|scarf/s|saw/s|comb/s|net/s|"
    "saddle/h"
)
PLACES = (
    "the mill/at|the market/at|the well/at|the garden/in|the inn/at|the bridge/at|the barn/in|the forge/at|"
    "the orchard/in|the harbour/at|the chapel/in|the school/at"
)
GOODS = (
    "apple/apples|egg/eggs|pear/pears|cake/cakes|onion/onions|plum/plums|candle/candles|loaf/loaves|"
    "cheese/cheeses|herring/herrings"
)
JOBS = (
    "paint/painted|mend/mended|clean/cleaned|wash/washed|repair/repaired|finish/finished|measure/measured|"
    "oil/oiled|move/moved|inspect/inspected"
)
STUFF = split(
    "honey|salt|flour|tea|butter|cherries|beans|nails|wool|soap|ginger|pepper|rice|seeds|mustard|buttons|paper|"
    "wax|sugar|ink|nuts|raisins|feathers|coal"
)
# A kind and a hue together make the look of a thing: "old red".
KINDS = split("old|little|big|new|heavy|fine|plain|odd")
HUES = split("red|blue|green|brown|black|yellow|white|grey")

WORDS = {
    "stuff": STUFF,
    "daytime": split("morning|afternoon|day|evening|spring day|summer day|autumn day|winter day"),
    "later": split("Then|Soon|Later|Next|Now|Suddenly|By and by|Before long"),
    "went": split("walked|went|came|strolled|hurried|wandered|rode|ran|limped|crept"),
    "get": split("buy|sell|fetch|find|order|steal|beg for|look for|ask for|deliver"),
    "liked": split("loved|sold|hated|made|collected|dreamed of|feared|lived on"),
    "doing": split(
        "counting|washing|selling|sorting|stacking|drawing|carrying|admiring|packing|hiding|weighing|throwing|"
        "wrapping|buying|juggling|painting"
    ),
    "objects": split(
        "plates|barrels|boxes|boots|shirts|bottles|chairs|spoons|pots|bricks|sacks|shoes|baskets|toys|brooms|"
        "wheels|apples|eggs|pears|cakes|onions|plums|candles|loaves|herrings|hats|ropes|books|turnips|pumpkins|"
        "socks|masks"
    ),
    "occasion": split("feast|dance|wedding|journey|race|play|hunt|picnic|party|birthday"),
    "vessel": split("jar|bag|box|tin|bowl|sack|basket|cup|crate|bucket|barrel|pail"),
    "hue": split("red|blue|green|brown|grey|yellow|white|black|purple|striped|torn|silk"),
    "garment": split("cap|cloak|shawl|apron|shirt|jacket|hood|gown|wig|waistcoat|jersey|nightshirt"),
    "animal": split(
        "dog|cat|goose|goat|hen|donkey|owl|mouse|crow|pig|sheep|blackbird|horse|cow|frog|fox|duck|hedgehog|"
        "rabbit|snail"
    ),
    "animals": split(
        "dogs|cats|geese|goats|hens|donkeys|owls|mice|crows|pigs|sheep|sparrows|horses|cows|frogs|foxes|ducks|"
        "hedgehogs|rabbits|snails"
    ),
    "idled": split(
        "slept|waited|watched|yawned|stared|listened|grumbled|sneezed|snored|danced|sang|laughed|whistled|prayed"
    ),
    "where": split("on|under|behind|beside|near|in front of"),
    "landmark": split(
        "bench|wall|cart|gate|stove|tree|pump|hedge|woodpile|steps|boat|fountain|haystack|bush|rock|stable|"
        "window|statue|dovecote|scarecrow"
    ),
    "mount": split("horse|donkey|mule|pony|goat|cow"),
    "bit": split("hungry|late|wet|sleepy|cold|dizzy|lost|shy|deaf"),
    "smell": split(
        "hay|bread|smoke|leaves|fish|wood|roses|tar|thyme|mud|soup|rain|varnish|cabbage|horses|paint"
    ),
    "noise": split("bell|door|saw|drum|cock|hammer|baby|cart|fiddle|dog|gate|horn|choir|kettle|mill|whistle"),
    "noisy": split("rang out|creaked|woke everyone|went on and on|started again|stopped|fell silent"),
    "important": split("mayor|king|priest|judge|duke|captain|queen|bishop|general|countess"),
    "dealt": split("had bought|had lost|wanted|had stolen|was selling|had found|was looking for|had won"),
    "has_dealt": split("has bought|has lost|wants|has stolen|sells|has found|is looking for|has won"),
    "broke": split("broke|cracked|split|fell apart|burst|came to pieces"),
    "repair": split("glue|wire|resin|thread|string|leather|clay|tar|moss"),
    "storm": split("rain|snow|hail|drizzle|thunder|pour|freeze"),
    "home": split("walked home|went home|strolled home|hurried home|rode home|ran home"),
    "dish": split("soup|stew|pie|pudding|cake|salad|sauce|porridge|bread|tart"),
    "number": split("two|three|four|five|six|seven|eight|nine|ten|twelve"),
    "evening": split("At sunset|In the evening|At nightfall|Before dark|At last|That night|At bedtime"),
    "reply": split("Perhaps|Who knows|Ask the owl|Wait and see|A secret|Not today|I forget|Guess"),
    "gone": split("lost|gone|stolen|missing"),
    "sorry": split("sad|cross|sorry|silent|furious|in tears"),
}
MOODS = {
    "day": (
        split("bright|mild|clear|golden|soft|warm|fresh|sunny"),
        split("grey|cold|dark|raw|bitter|windy|foggy|damp"),
    ),
    "feel": (
        split("glad|happy|proud|calm|cheerful|hopeful|content|merry"),
        split("tired|sad|cross|worried|lonely|gloomy|restless|sulky"),
    ),
    "kind": (
        split("friendly|honest|patient|cheerful|generous|gentle|lively|clever"),
        split("grumpy|stubborn|silent|stern|nervous|stingy|tired|proud"),
    ),
    "way": (
        split("kindly|softly|gladly|gently|warmly|brightly|calmly|sweetly|politely|proudly"),
        split("sharply|coldly|dryly|sadly|stiffly|wearily|gruffly|sternly|bitterly|crossly"),
    ),
    "state": (
        split("clean|polished|dry|brushed|mended|shining|as good as new|wrapped in silk"),
        split("dusty|scratched|wet|stained|muddy|bent|smelling of smoke|covered in straw"),
    ),
    "taste": (split("sweet|warm|fresh|golden|fine|rich"), split("cold|sour|burnt|salty|thin|old")),
    "life": (
        split("sweet|easy|beautiful|simple|kind|wonderful"),
        split("short|hard|strange|unfair|dull|expensive"),
    ),
    "smiled": (
        split("smiled|laughed|nodded|clapped|beamed|hummed"),
        split("sighed|frowned|shrugged|groaned|grumbled|sniffed"),
    ),
}

FULL = Lexicon(
    people=PEOPLE,
    things=tuple(Thing(*fields) for fields in records(THINGS)),
    looks=tuple(f"{kind} {hue}" for hue in HUES for kind in KINDS),
    places=tuple(Place(*fields) for fields in records(PLACES)),
    spots=split(
        "under the stairs|behind the stove|in the hay|under a stone|on the top shelf|in the hollow tree|"
        "behind the door|in a sack|under a floorboard|in an old boot|among the onions|up in the rafters"
    ),
    days=split("Sunday|Monday|Friday|Saturday|Tuesday|Thursday|Wednesday"),
    goods=tuple((one, many) for one, many in records(GOODS)),
    jobs=tuple(Job(*fields) for fields in records(JOBS)),
    objects=split("gate|fence|roof|chimney|door|barn|cart|bench|pump|boat|shed|cradle"),
    topics=split(
        "wool|bread|money|fish|goats|cards|the weather|an old song|a broken cup|a muddy boot|a recipe|"
        "a lost sheep|the king's nose|a borrowed spoon"
    ),
    stuff=STUFF,
    most=9,
    words=WORDS,
    moods=MOODS,
)
