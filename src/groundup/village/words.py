"""The words of the full village that anybody may say. Near the front of a list stand the frequent ones."""

from groundup.village.lexicon import Job, Lexicon
from groundup.village.people import PEOPLE
from groundup.village.places import PLACES
from groundup.village.things import THINGS


def split(text: str) -> tuple[str, ...]:
    """One entry per part between bars."""
    return tuple(text.split("|"))


def pairs(text: str) -> tuple[tuple[str, str], ...]:
    """Entries of two words, with a slash between them."""
    return tuple((first, second) for first, second in (entry.split("/") for entry in split(text)))


STUFF = split(
    "honey|salt|flour|tea|butter|cherries|beans|nails|wool|soap|ginger|pepper|rice|seeds|mustard|buttons|"
    "paper|wax|sugar|ink|nuts|raisins|feathers|coal"
)
# A kind and a hue together make the look of a thing: "old red".
KINDS = split("old|little|big|new|heavy|fine|plain|odd|ugly|famous")
HUES = split("red|blue|green|brown|black|yellow|white|grey|pink|golden")

WORDS = {
    "stuff": STUFF,
    "daytime": split("morning|afternoon|day|evening|spring day|summer day|autumn day|winter day"),
    "later": split("Then|Soon|Later|Next|Now|Suddenly|By and by|Before long"),
    "went": split("walked|went|came|strolled|hurried|wandered|rode|ran|limped|crept"),
    "get": split("buy|fetch|find|borrow|beg for|ask for|look for|steal"),
    "number": split("two|three|four|five|six|seven|eight|nine|ten|twelve|twenty|forty|a hundred|a thousand"),
    "animals": split(
        "dogs|cats|geese|goats|hens|donkeys|owls|mice|crows|pigs|sheep|sparrows|horses|cows|frogs|foxes|"
        "ducks|hedgehogs|rabbits|snails|lambs|ravens|moles|worms|storks|swans"
    ),
    "animal": split(
        "dog|cat|goose|goat|hen|donkey|owl|mouse|crow|pig|sheep|sparrow|horse|cow|frog|fox|duck|hedgehog|"
        "rabbit|snail|lamb|raven|mole|worm|stork|swan"
    ),
    "breed": split(
        "fat|lame|young|one-eyed|clever|bad-tempered|thin|lazy|famous|shy|wet|spotted|deaf|hungry|learned|"
        "black|married|retired|dancing|lucky|fierce|noble"
    ),
    # What the animal of a document does when it is good for nothing.
    "antic": split(
        "sat down|danced|fell asleep|sneezed|sang|stood on one leg|rolled over|gave a speech|"
        "turned round twice|played dead|bit the postman|bowed"
    ),
    "answered": split(
        "nodded|yawned|looked away|knew better|said nothing|laughed|did not agree|took it badly|winked|"
        "blushed"
    ),
    "idled": split(
        "gave advice|whistled|slept|sang|kept watch|counted clouds|walked in front|held the hats|made tea|"
        "yawned"
    ),
    # Small things that people give each other; what is odd about them makes each a little surprise.
    "present": split(
        "sausage|sock|umbrella|candle|pumpkin|potato|spoon|poem|riddle|apology|button|pudding|pillow|carrot|"
        "pancake|mushroom|wig|shoe|hymn|feather|story|egg cup|walnut|sponge|lemon|wasp|pickle|cactus|joke|"
        "statue|tooth|ham|fig|worm|sofa|promise|cough"
    ),
    "presents": split(
        "sausages|socks|umbrellas|candles|pumpkins|potatoes|spoons|poems|riddles|apologies|buttons|puddings|"
        "pillows|carrots|pancakes|mushrooms|wigs|shoes|hymns|feathers|stories|lemons|pickles|jokes|teeth|"
        "sponges|figs|sofas"
    ),
    "flaw": split(
        "warm|borrowed|tiny|crooked|secret|wet|frozen|lucky|stolen|huge|used|striped|polite|shy|hairy|"
        "perfect|stale|silver|singing|second|heavy|honest|family|cheap|wooden|double|sad|painted|muddy"
    ),
    "price": split(
        "a song|a week of dinners|half a pig|a shave|a dancing lesson|a goat and a half|a good story|a wheel"
    ),
    # What is said of the mighty.
    "fancies": split(
        "is afraid of|collects|has lost all|dreams of|lives on|hides|talks to|has forbidden|paints|"
        "sleeps among|cannot count|sings about"
    ),
    "oddities": split(
        "geese|turnips|hats|clouds|puddings|ghosts|snails|wigs|sausages|cooks|spoons|mice|stairs|pickles|"
        "moustaches|tubas|teeth|giants|cheese|socks|stars|aunts|frogs|bathtubs"
    ),
    "scandal": split(
        "cannot swim|wears two hats|snores in public|is really a fox|has sold the moon|never pays"
    ),
    # What is wrong with a thing.
    "quirk": split(
        "squeaks|bites|sings at night|smells of fish|has shrunk|brings bad luck|leaks|knows too much|"
        "makes one sneeze|glows in the dark|hates children|tickles|has grown|is haunted|attracts wasps|"
        "walks about|tells lies|purrs"
    ),
    "pocket": split("hat|apron|pocket|sleeve|boot|bed|bath|oven|trousers"),
    "hue": split("red|blue|green|brown|grey|yellow|white|black|purple|striped|torn|silk"),
    "garment": split("cap|cloak|shawl|apron|shirt|jacket|hood|gown|wig|waistcoat|jersey|nightshirt"),
    "smell": split(
        "hay|bread|smoke|leaves|fish|wood|roses|tar|thyme|mud|soup|rain|varnish|cabbage|horses|paint"
    ),
    "noise": split("bell|door|saw|drum|cock|hammer|baby|cart|fiddle|dog|gate|horn|choir|kettle|mill|whistle"),
    "noisy": split("rang out|creaked|woke everyone|went on and on|started again|stopped|fell silent"),
    "said": split("said|cried|whispered|muttered|called|sighed|shouted|yelled"),
    "important": split("mayor|king|priest|judge|duke|captain|queen|bishop|general|countess"),
    "dealt": split("had bought|had lost|wanted|had stolen|was selling|had found|was looking for|had won"),
    "has_dealt": split("has bought|has lost|wants|has stolen|sells|has found|is looking for|has won"),
    "broke": split("broke|cracked|split|fell apart|burst|came to pieces"),
    "repair": split("glue|wire|resin|thread|string|leather|clay|tar|moss|jam|cement|bandages"),
    "storm": split("rain|snow|hail|drizzle|thunder|pour|freeze"),
    "home": split("walked home|went home|strolled home|hurried home|rode home|ran home"),
    "dish": split("soup|stew|pie|pudding|cake|salad|sauce|porridge|bread|tart"),
    "occasion": split("feast|dance|wedding|journey|race|play|hunt|picnic|party|birthday"),
    "contest": split(
        "longest beard|loudest sneeze|fattest goose|best lie|ugliest hat|shortest song|oldest egg|"
        "sweetest baby|slowest snail|thickest soup"
    ),
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
        split("clean|polished|dry|brushed|mended|shining|like new|in silk"),
        split("dusty|scratched|wet|stained|muddy|bent|smoky|full of hay"),
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
    things=THINGS,
    looks=tuple(f"{kind} {hue}" for hue in HUES for kind in KINDS),
    places=PLACES,
    nowhere=split("by the stove|at the window|on the doorstep|under the lamp|at the kitchen table"),
    spots=split(
        "under a stone|in a sack|in an old boot|behind a loose brick|in the hollow tree|under a bucket|"
        "in a flowerpot|under the third step|behind the ivy|in an empty barrel|among the onions|"
        "up in the rafters"
    ),
    days=split("Sunday|Monday|Friday|Saturday|Tuesday|Thursday|Wednesday"),
    goods=pairs(
        "apple/apples|egg/eggs|pear/pears|cake/cakes|onion/onions|plum/plums|pie/pies|loaf/loaves|"
        "cheese/cheeses|herring/herrings"
    ),
    jobs=tuple(
        Job(*both)
        for both in pairs(
            "paint/painted|mend/mended|clean/cleaned|wash/washed|repair/repaired|finish/finished|"
            "measure/measured|oil/oiled|move/moved|inspect/inspected"
        )
    ),
    objects=split("gate|fence|roof|chimney|door|barn|cart|bench|pump|boat|shed|cradle"),
    topics=split(
        "the price of eggs|the king's nose|the last bun|an old song|the weather|a muddy boot|a game of cards|"
        "a borrowed spoon|a big fish|the moon|a bad joke|a lost button|the colour blue|"
    ),
    stuff=STUFF,
    beasts=split("goose|goat|dog|cat|hen|donkey|pig|crow|hedgehog|duck|owl|frog|sheep|snail"),
    skies=split("raining|snowing|hailing|drizzling|thundering|pouring|freezing"),
    most=9,
    words=WORDS,
    moods=MOODS,
)
