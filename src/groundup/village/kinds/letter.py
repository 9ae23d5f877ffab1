"""A letter: the writer is "I", the reader is "you", and the name at the end is the one at the top."""

from groundup.village.patterns import Kind, Line, beat
from groundup.village.world import Facts


def begin(facts: Facts) -> Facts:
    """The writer, the place and the day at the top."""
    return facts._replace(i=facts.a, o=facts.p)


HEADING = beat(
    Line("From {a?} {at p?}, on {f?}\nDear {b?},", 3, then=begin),
    Line("{a?}, {at p?}, {f?}\nDear {b?},", 2, then=begin),
    Line("To {b?}, the {b.trade}, from {a?}, the {a.trade}\n{Good day|Greetings|Hello}!", 2, then=begin),
    glue="",
)  # fmt: skip
GREETING = beat(
    "Are you {~feel}, and have you {:stuff} and {:objects}?",
    "Thank you for {>gift} and for {>gift}.",
    "It is {an ~day} {:daytime}, and I am {:doing} {:objects}.",
    "How are your {:animals}? My {:animals} are {~feel}.",
    "{c?} brings you this letter with {>gift}.",
    "I am sitting {>there} and thinking of {:stuff}.",
    "I am {~feel} today: {r?} sent me {>gift}.",
    glue="\n",
)
CLOSING = beat(
    "Your {~kind} friend {a}",
    "{a}, {:doing} {:objects}",
    "With {>gift} from {a}",
    "Write soon to {a}, who is {~feel} as {an :animal}",
    "{A ~feel} as ever, {a}",
    "{a}\nPS: {r?} sends you {>gift}.",
    "{a}\nPS: The {:animal} {>there} says hello to {b}.",
    glue="\n",
)
KIND = Kind(
    name="letter",
    weight=1,
    opening=(HEADING, GREETING),
    ending=(CLOSING,),
    course=((10, 1, 0), (10, 40, 0), (5, 100, 100), (3, 200, 200), (2, 400, 900), (1, 400, 900), (0, 1, 1)),
)
