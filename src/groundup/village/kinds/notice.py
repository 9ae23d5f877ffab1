"""A notice on the village board: lost, found, for sale, a feast; or a trick, the unwanted sort."""

from collections.abc import Callable

from groundup.village.patterns import Kind, Line, beat
from groundup.village.world import Facts

SORTS = ("lost", "found", "sale", "feast", "trick")


def sort(name: str) -> Callable[[Facts], Facts]:
    """Remember the sort of the notice and who wrote it."""
    number = SORTS.index(name)
    return lambda facts: facts._replace(z=number, i=facts.a)


def only(*names: str) -> Callable[[Facts], bool]:
    """A condition for lines and episodes: the notice is of one of these sorts."""
    numbers = tuple(SORTS.index(name) for name in names)
    return lambda facts: facts.z in numbers


HEADING = beat(
    Line(
        "LOST {at o?} on {f?}: {an e?} {y?}, {~state}. It belongs to {a?}, the {a.trade}.",
        3,
        then=sort("lost"),
    ),
    Line(
        "{a?}, the {a.trade}, LOST {an e?} {y?} {at o?} on {f?} while {:doing} {:objects}.",
        2,
        then=sort("lost"),
    ),
    Line("FOUND {at o?} on {f?} by {a?}, the {a.trade}: {an e?} {y?}, {~state}.", 3, then=sort("found")),
    Line(
        "FOR SALE {at o?} on {f?}: {an e?} {y?}, {~state}. Ask for {a?}, the {a.trade}.", 3, then=sort("sale")
    ),
    Line("{a?}, {an ~kind} {a.trade}, SELLS {an e?} {y?} {at o?} on {f?}.", 2, then=sort("sale")),
    Line("{A :occasion} {at o?} on {f?}! {a?}, {an ~kind} {a.trade}, brings {w?}.", 4, then=sort("feast")),
    Line("RICH BEFORE {f?}! {a?}, {an ~kind} {a.trade}, has a magic {y?} {at o?}.", 2, then=sort("trick")),
    Line(
        "A SECRET {at o?}! {a?} makes {w?} from {:stuff} with a magic {y?}, only on {f?}.",
        2,
        then=sort("trick"),
    ),
    glue="",
)
ENDING = beat(
    Line("Bring the {y} to {a}{>doing}, or leave it {>there}.", when=only("lost")),
    Line("{a} waits for it {at o}{>doing}.", when=only("lost")),
    Line("Look for the {e} {y} {>there}, {>there} and {>there}.", when=only("lost")),
    Line("Is it yours? Come to {o} with {>gift} and {>gift}.", when=only("found")),
    Line("{a} keeps the {e} {y} {>there}{>doing}.", when=only("found")),
    Line("Ask for {a} {at o}, and bring {>price} and {>gift}.", when=only("sale")),
    Line("{a} waits {at o} on {f}{>doing}.", when=only("sale", "feast")),
    Line("{a} wants {>gift} and {>gift} {at o} on {f}.", when=only("feast", "trick")),
    Line("Tell nobody but {r?}, and bring {>gift} to {a} {at o}.", when=only("trick")),
    Line("Only until {f}! {a} waits {at o}{>doing}.", when=only("trick")),
)
KIND = Kind(
    name="notice",
    weight=1,
    opening=(HEADING,),
    ending=(ENDING,),
    course=((10, 1, 0), (10, 40, 0), (10, 100, 60), (5, 200, 200), (3, 400, 400), (1, 400, 900), (0, 1, 1)),
)
