"""The first impossible word of a text, what could have stood there, and why: a teacher's red pencil."""

import re
from dataclasses import dataclass
from functools import lru_cache

from groundup.village.filter import read
from groundup.village.grammar import END, Grammar, village
from groundup.village.nodes import Call, Say
from groundup.village.world import THREAD_FACTS, Facts, State

SENTENCE = re.compile(r"[^\n]+?(?:[.!?][\"']?(?=\s|$)|(?=\n|$))")
WORD = re.compile(r"[A-Za-z]+(?:'[a-z]+)?")
ENDED = "The document was complete before this."
Spot = tuple[int, State]  # a position in the text and a state of the walk there


@dataclass(frozen=True)
class Mistake:
    """Where a text became impossible."""

    position: int  # the index of the first character that no document can have here
    word: str  # the word around it; empty at the end of the text
    expected: tuple[str, ...]  # a few words that could have stood there, the likeliest first
    why: str  # in plain words
    cause: str  # "fact" (the world fixes the word), "grammar", "spelling" or "end" (cut off, or too long)


def check(
    text: str, complete: bool = True, *, suggest: bool = True, grammar: Grammar | None = None
) -> Mistake | None:
    """The first mistake of a text; None for a possible document, or with complete=False for its beginning.

    Without `suggest` nothing is `expected`; that is several times as fast.
    """
    grammar = grammar or village()
    reading = read(text, grammar=grammar)
    if reading.ends or (reading.unfinished and not complete):
        return None
    return Search(text, grammar).mistake(cut_off=bool(reading.unfinished), suggest=suggest)


class Search:
    """All walks through a text that is impossible, with the way back from each state to the start."""

    def __init__(self, text: str, grammar: Grammar):
        self.text, self.grammar = text, grammar
        self.vocabulary = vocabulary(grammar)
        self.known: dict[State, list[tuple[str, State, float]]] = {}
        self.before: dict[Spot, Spot] = {}
        self.mass: dict[Spot, float] = {(0, grammar.start): 1.0}
        self.furthest = 0
        self.failed: list[Spot] = []  # the states in which the text went wrong at the furthest place
        self.follow()

    def follow(self) -> None:
        """Visit every state that agrees with the text so far, nearest to the start first."""
        waiting = {0: [self.grammar.start]}
        while waiting:
            position = min(waiting)
            for state in (here := waiting.pop(position)):
                spot = position, state
                self.note(spot)
                for piece, new, share in self.options(state):
                    if not self.text.startswith(piece, position):
                        continue
                    end = position + len(piece)
                    if (end, new) not in self.mass:
                        self.before[end, new] = spot
                        (here if end == position else waiting.setdefault(end, [])).append(new)
                        self.mass[end, new] = 0.0
                    self.mass[end, new] += self.mass[spot] * share

    def options(self, state: State) -> list[tuple[str, State, float]]:
        """What may be said in a state, where it leads, and with which probability."""
        if state not in self.known:
            steps = self.grammar.step(state)
            total = sum(weight for weight, _, _ in steps)
            self.known[state] = [(piece, new, weight / total) for weight, piece, new in steps]
        return self.known[state]

    def note(self, spot: Spot) -> None:
        """Remember the state if the text agrees with it further than with any state before."""
        position, state = spot
        pieces = {piece for piece, _, _ in self.options(state)}
        wrong = [piece for piece in pieces if not self.text.startswith(piece, position)]
        if pieces and not wrong:
            return  # the states after it will tell
        reach = position + max((agreement(self.text, position, piece) for piece in wrong), default=0)
        if reach > self.furthest:
            self.furthest, self.failed = reach, []
        if reach == self.furthest:
            self.failed.append(spot)

    def mistake(self, cut_off: bool, suggest: bool) -> Mistake:
        """The mistake, put into words."""
        at, text = self.furthest, self.text
        start = max(text.rfind(" ", 0, at), text.rfind("\n", 0, at)) + 1
        word = re.split(r"\s", text[start:], maxsplit=1)[0] if at < len(text) else ""
        bare = word.strip(".,!?;:\"'")
        word = bare if bare and at < start + word.find(bare) + len(bare) else word
        expected = self.expected(start) if suggest else ()
        if cut_off:
            return Mistake(at, word, expected, "The document stops before its end.", "end")
        for spot in sorted(self.failed, key=lambda spot: -self.mass[spot]):
            if fixed := self.fixed_by(spot):
                return Mistake(at, word, expected, fixed, "fact")
        if all(state[0] == END for _, state in self.failed):
            return Mistake(at, text[at:].split()[0] if text[at:].split() else text[at:], (), ENDED, "end")
        if bare and bare.lower() not in self.vocabulary:
            return Mistake(at, word, expected, f"The village has no word {bare!r}.", "spelling")
        return Mistake(at, word, expected, "No sentence of the village goes on like this here.", "grammar")

    def expected(self, start: int) -> tuple[str, ...]:
        """The likeliest words at `start`, given the text before it. An empty word is the document's end."""
        found: dict[str, float] = {}
        todo = [("", *spot, mass) for spot, mass in self.mass.items() if spot[0] <= start]
        for _ in range(3000):  # enough for every word that is at all likely
            if not todo:
                break
            word, position, state, mass = todo.pop()
            known = self.text[position:start]  # what goes beyond this part of a piece is new
            if state[0] == END and not known:
                found[word] = found.get(word, 0.0) + mass
            for piece, new, share in self.options(state):
                if known and (piece == known or not piece.startswith(known)):
                    continue
                grown = word + piece[len(known) :]
                first = re.split(r"\s", grown, maxsplit=1)[0]
                if first != grown:
                    found[first] = found.get(first, 0.0) + mass * share
                else:
                    todo.append((grown, max(position + len(piece), start), new, mass * share))
        words: dict[str, float] = {}
        for word, mass in found.items():
            bare = word.strip(".,!?;:\"'")
            words[bare] = words.get(bare, 0.0) + mass
        begun = self.text[start:] if self.furthest == len(self.text) else ""  # a word may be cut off
        fitting = [word for word in words if word.startswith(begun.strip(".,!?;:\"'"))]
        return tuple(sorted(fitting, key=lambda word: -words[word])[:5])

    def fixed_by(self, spot: Spot) -> str | None:
        """What fixes the word at the mistake, if one other fact would have made the text right there."""
        position, (at, _, facts) = spot
        node = self.grammar.nodes[at] if at != END else None
        if not isinstance(node, Say | Call):
            return None
        for part in node.parts:
            said = part if isinstance(part, str) else part.render(facts)
            if self.text.startswith(said, position):
                position += len(said)
                continue
            if isinstance(part, str):
                return None
            values = range(len(self.grammar.slots.names[part.register]))
            others = (part.render(facts._replace(**{part.register: value})) for value in values)
            wrong = any(self.text.startswith(other, position) for other in others)
            return self.origin(spot, part.register, said) if wrong else None
        return None

    def origin(self, spot: Spot, register: str, said: str) -> str:
        """Name the sentence in which a fact was settled."""
        value = getattr(spot[1][2], register)
        while spot in self.before and remembers(self.before[spot][1][2], register, value):
            spot = self.before[spot]
        sentences = list(SENTENCE.finditer(self.text))
        number = next((n for n, one in enumerate(sentences, 1) if one.start() < spot[0] <= one.end()), 1)
        return f'"{said}" belongs here. Sentence {number}: {sentences[number - 1].group().strip()}'


def agreement(text: str, position: int, piece: str) -> int:
    """How many characters of `piece` stand in the text from `position` on."""
    if text.startswith(piece, position):
        return len(piece)
    return next(n for n, letter in enumerate(piece) if text[position + n : position + n + 1] != letter)


def remembers(facts: Facts, register: str, value: int) -> bool:
    """Whether a world already has the fact, in the register itself or in an open thread."""
    names = "abci" if register in "abci" else register  # people change their roles
    kept = [THREAD_FACTS.index(name) for name in names if name in THREAD_FACTS]
    if any(getattr(facts, name) == value for name in names):
        return True
    return any(thread.facts[place] == value for thread in facts.threads for place in kept)


@lru_cache(maxsize=4)
def vocabulary(grammar: Grammar) -> frozenset[str]:
    """All words that the grammar can say, in lower case."""
    lexicon, texts = grammar.lexicon, list(grammar.slots.fixed_words())
    for line in grammar.lines:
        slots = re.findall(r"{([^}]*)}", line.text)
        texts += [re.sub(r"{[^}]*}", " ", line.text), *(slot for slot in slots if "|" in slot)]
    for words in [*lexicon.words.values(), *(part for mood in lexicon.moods.values() for part in mood)]:
        texts += words
    return frozenset(word.lower() for text in texts for word in WORD.findall(text))
