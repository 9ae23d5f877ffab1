"""A notice on the village board: lost, found, for sale, a feast; or a trick, the unwanted sort."""

from collections.abc import Callable

from groundup.village.patterns import Kind, Line, beat
from groundup.village.world import Facts, met

SORTS = ("lost", "found", "sale", "feast", "trick")


def sort(name: str) -> Callable[[Facts], Facts]:
    """Remember the sort of the notice and who wrote it."""
    number = SORTS.index(name)
    return lambda facts: facts._replace(z=number, i=facts.a)


def only(*names: str) -> Callable[[Facts], bool]:
    """A condition for lines and episodes: the notice is of one of these sorts."""
    numbers = tuple(SORTS.index(name) for name in names)
    return lambda facts: facts.z in numbers


def both(one: Callable[[Facts], bool], other: Callable[[Facts], bool]) -> Callable[[Facts], bool]:
    """A condition that holds when both of these hold."""
    return lambda facts: one(facts) and other(facts)


HEADING = beat(
    Line(
        "LOST {at o?} on {f?}: {an e?} {y?}, {~state}. It belongs to {a?}, the {a.trade}.",
        3,
        then=sort("lost"),
    ),
    Line(
        "{a?}, the {a.trade}, LOST {an e?} {y?} {at o?} on {f?} while {a:doing} {a:ware}.",
        2,
        then=sort("lost"),
    ),
    Line("FOUND {at o?} on {f?} by {a?}, the {a.trade}: {an e?} {y?}, {~state}.", 3, then=sort("found")),
    Line(
        "FOR SALE {at o?} on {f?}: {an e?} {y?}, {~state}. Ask for {a?}, the {a.trade}.", 3, then=sort("sale")
    ),
    Line("{a?}, {an ~kind} {a.trade}, SELLS {an e?} {y?} {at o?} on {f?}.", 2, then=sort("sale")),
    Line(
        "{A :occasion} {at o?} on {f?}! {a?}, {an ~kind} {a.trade}, brings {:number} {a:ware}.",
        4,
        then=sort("feast"),
    ),
    Line("RICH BEFORE {f?}! {a?}, {an ~kind} {a.trade}, has a magic {y?} {at o?}.", 2, then=sort("trick")),
    Line(
        "A SECRET {at o?}! {a?} makes {w?} from {:stuff} with a magic {y?}, only on {f?}.",
        2,
        then=sort("trick"),
    ),
    glue="",
)
ENDING = beat(
    Line("Bring the {y} to {a} {at o} and get {>gift} from {r?}.", when=only("lost")),
    Line("{a} waits for it {at o}{>doing_a}.", when=only("lost")),
    Line("Without it {a} cannot {>use_y} and is {~feel} as {an :animal}.", 2, when=only("lost")),
    Line("Is it yours? Come to {o} with {>gift}, and say what you want it for.", when=only("found")),
    Line("Come soon with {>gift}: {a} has begun to {>use_y}.", 2, when=only("found")),
    Line("{a} keeps the {e} {y} {s?} until {r?} comes back.", when=only("found")),
    Line("Ask for {a} {at o}, and bring {>price}.", when=only("sale")),
    Line("Why is the {y} for sale? {r?} says that it {:quirk}.", when=only("sale")),
    Line("{a} waits {at o} on {f}{>doing_a}.", when=only("sale", "feast")),
    Line("Come to {o} on {f}, or {a} and {r?} must eat it all.", when=only("feast")),
    Line("There is a prize for the {:contest}: {>gift} from {a}.", 2, when=only("feast")),
    Line("Tell nobody but {r?}, and bring {>price} to {a} {at o}.", when=only("trick")),
    Line("Only until {f}! {a} waits {at o}{>doing_a}.", when=only("trick")),
    Line("Nobody gets {>price} back from {a} after {f}.", when=only("trick")),
    Line("The {B} is not for sale.", when=both(met, only("sale"))),
    Line("The {B} will be there too, says {a}.", 2, when=both(met, only("feast"))),
)
KIND = Kind(
    name="notice",
    weight=1,
    opening=(HEADING,),
    ending=(ENDING,),
    course=((10, 1, 0), (10, 40, 0), (10, 100, 60), (5, 200, 200), (3, 400, 400), (1, 400, 900), (0, 1, 1)),
)
