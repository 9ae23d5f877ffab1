"""What is true in the village while a document is told: the facts that later words depend on."""

from typing import Any, NamedTuple


class Thread(NamedTuple):
    """Something begun that must be ended: which episode, and the facts that its ending will need."""

    episode: int
    told: int  # how many episodes had been told, this one included
    discussed: int  # 1 after somebody has asked about it
    facts: tuple[int, ...]  # the values of THREAD_FACTS when it was opened


class Facts(NamedTuple):
    """All facts as whole numbers, -1 for "not said yet". The letters are slots: "{a} lost {x}"."""

    mood: int = 0  # 0 warm, 1 cold: never said, it only tilts the choice of words 3 : 1
    kind: int = -1  # the number of the kind of document
    told: int = 0  # how many episodes have been told
    used: int = 0  # one bit per episode that has been told: none is told twice
    seen: tuple[int, ...] = ()  # every thing that has been named, sorted
    threads: tuple[Thread, ...] = ()  # what is still open, oldest first
    a: int = -1  # the person in focus
    b: int = -1  # the other person
    c: int = -1  # a third person
    r: int = -1  # somebody who only passes by
    i: int = -1  # the person with whom the document began
    x: int = -1  # the thing in focus
    h: int = -1  # what it looks like
    y: int = -1  # the thing that the whole document is about
    e: int = -1  # what that one looks like
    p: int = -1  # the place where people are
    q: int = -1  # another place
    o: int = -1  # the place where the document began
    s: int = -1  # a hiding place
    t: int = -1  # a second hiding place
    d: int = -1  # a day
    f: int = -1  # the day that the whole document is about
    g: int = -1  # a sort of goods that can be counted
    n: int = -1  # how many there were
    k: int = -1  # how many went
    m: int = -1  # how many were left
    j: int = -1  # a job
    v: int = -1  # what the job is done to
    w: int = -1  # the errand: what somebody set out to get
    z: int = -1  # the sort of a notice: lost, found, sale, feast, trick
    u: int = -1  # a subject of talk
    B: int = -1  # the animal that runs through the document
    W: int = -1  # the weather
    K: int = -1  # what the other person is like
    F: int = -1  # how the writer of a letter feels


def met(facts: Facts) -> bool:
    """The document has its animal."""
    return facts.B >= 0


def unmet(facts: Facts) -> bool:
    """No animal has come up that the document could speak of again."""
    return facts.B < 0


Todo = tuple[int, ...]
State = tuple[int, Todo, Facts]  # the node of the grammar, the nodes to return to, and the facts

THREAD_FACTS = ("a", "b", "c", "x", "h", "q", "s", "t", "d", "g", "n", "k", "m", "j", "v", "u")
FORGOTTEN = {name: -1 for name in THREAD_FACTS if name not in "ab"}  # a new episode starts without them
_PLACES = tuple(Facts._fields.index(name) for name in THREAD_FACTS)


def with_fact(facts: Facts, place: int, value: int) -> Facts:
    """The same facts with the one at `place` changed. Three times faster than `_replace`."""
    return Facts._make((*facts[:place], value, *facts[place + 1 :]))


def swapped(facts: Facts) -> Facts:
    """The same facts with the two persons in each other's role."""
    return facts._replace(a=facts.b, b=facts.a)


def opened(facts: Facts, episode: int) -> Facts:
    """The facts with a new open thread that remembers the present ones."""
    kept: Any = [facts[place] for place in _PLACES]
    thread = Thread(episode, facts.told, 0, tuple(kept))
    return facts._replace(threads=(*facts.threads, thread))


def resumed(facts: Facts, number: int, close: bool) -> Facts:
    """The facts as they were when thread `number` was opened; it is then closed, or marked as discussed."""
    thread = facts.threads[number]
    before, after = facts.threads[:number], facts.threads[number + 1 :]
    threads = before + after if close else (*before, thread._replace(discussed=1), *after)
    return facts._replace(threads=threads, **dict(zip(THREAD_FACTS, thread.facts, strict=True)))
