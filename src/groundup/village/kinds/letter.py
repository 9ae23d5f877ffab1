"""A letter: the writer is "I", the reader is "you", and the name at the end is the one at the top."""

from groundup.village.patterns import Kind, Line, beat
from groundup.village.world import Facts, met


def begin(facts: Facts) -> Facts:
    """The writer, the place and the day at the top."""
    return facts._replace(i=facts.a, o=facts.p)


def felt(facts: Facts) -> bool:
    """The writer has said how he feels."""
    return facts.F >= 0


def unfelt(facts: Facts) -> bool:
    """The writer has not said how he feels."""
    return facts.F < 0


HEADING = beat(
    Line("From {a?} {at p?}, on {f?}\nDear {b?},", 3, then=begin),
    Line("{a?}, {at p?}, {f?}\nDear {b?},", 2, then=begin),
    Line("To {b?}, the {b.trade}, from {a?}, the {a.trade}\n{Good day|Greetings|Hello}!", 1, then=begin),
    glue="",
)  # fmt: skip
GREETING = beat(
    "How is your {B?}? Mine is {~feel} and has eaten {>gift} and {>gift}.",
    "Your letter came today, and {an :breed} {B?} ate half of it and {>gift}.",
    "Thank you for {>gift}. I have shown it to {r?} and to {:number} {:animals}.",
    "It is {an ~day} {:daytime}, and I am {F?}.",
    "I am {F?} today: {r?} sent me {>gift} and {>gift}.",
    "{c?} carries this letter, so it may be {~state}.",
    "I am sitting {p:spot}, {a:doing} {a:ware}, and thinking of you, {>gift} and {:animals}.",
    "I write {p:spot}, for {c?} is {c:doing} {c:ware} at home with {r?}.",
    "I am {F?}. My last letter was {eaten|stolen|read} by {an :breed} {B?}.",
    glue="\n",
)
CLOSING = beat(
    Line("Your {~kind} friend {a}", when=unfelt),
    Line("Write soon to {a}, who is {~feel} as {an :animal}", when=unfelt),
    Line("{A F} as ever, {a}", 2, when=felt),
    Line("{Still|Rather|Very} {F}, {a}", 2, when=felt),
    Line("With {>gift}, {:number} {a:ware} and {:number} kisses from {a}", 2),
    "{a}, {a:doing} {a:ware} {p:spot}",
    Line("{a}\nPS: {r?} sends you {>gift} and {>gift}.", 2),
    Line("{a}\nPS: Do not {show|read|lend} this to {r?}, who {>scandal}.", 2),
    "{a}\nPS: {They say|Nobody knows|I have seen} that {r?} {>scandal}.",
    Line("{a}\nPS: Give the {B} {>gift} and {>gift} from me.", 3, when=met),
    Line("{a}\nPS: The {B} has just {~smiled}.", 2, when=met),
    glue="\n",
)
KIND = Kind(
    name="letter",
    weight=1,
    opening=(HEADING, GREETING),
    ending=(CLOSING,),
    course=((10, 1, 0), (10, 40, 0), (5, 100, 100), (3, 200, 200), (2, 400, 900), (1, 400, 900), (0, 1, 1)),
)
