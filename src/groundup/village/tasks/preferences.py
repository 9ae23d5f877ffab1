"""Two ways for a document to go on, which differ in a few words, and the exact odds of them under the source.

Which of the two is `chosen` is drawn with these odds, as a person with that taste would choose (Bradley and
Terry, 1952, with log p as the reward). So it is known how well anyone can predict the choices, and what a
method that learns from preferences should find: the difference of the rewards that it learns is `log_odds`.
"""

from collections.abc import Sequence
from statistics import fmean
from typing import NamedTuple

from groundup.village.filter import bits
from groundup.village.grammar import END, Grammar, village
from groundup.village.randomness import Draws
from groundup.village.table import Table
from groundup.village.tasks.choices import SENTENCE_END

FINE = 1 << 53

FIRST = {"train": 1 << 36, "validation": 1 << 37, "test": 1 << 38}
"""Document numbers of the splits: far from each other, and from those that a model is pre-trained on."""

GO_ON, BEGIN = "Go on with this text.", "Tell something of the village."


class Pair(NamedTuple):
    """A beginning and two endings, both possible."""

    prompt: str  # ends without a space
    first: str  # begins with a space or a new line, unless the prompt is empty
    second: str
    log_odds: float  # log2 of p(first | prompt) / p(second | prompt)
    chosen: int  # 0 for the first, 1 for the second: drawn with these odds

    @property
    def chance(self) -> float:
        """The probability with which the first is chosen."""
        return 1 / (1 + 2.0**-self.log_odds)

    @property
    def best_accuracy(self) -> float:
        """How often the best reader guesses the chosen one."""
        return max(self.chance, 1 - self.chance)


def pair(seed: int, index: int, changes: int = 6, *, grammar: Grammar | None = None) -> Pair:
    """Pair number `index` of `seed`: the document of that number, and the same with other words in it.

    changes: how many words differ, if there are so many. The more, the further from even are the odds.
    """
    grammar, draws = grammar or village(), Draws(~seed, index)
    text, places = free_words(seed, index, grammar)
    while len(places) > changes:
        places.pop(draws.below(len(places)))
    changed = text
    for position, table, choice in reversed(places):  # from the back, so that the positions stay right
        word, others = table.pieces[choice], table.pieces[:choice] + table.pieces[choice + 1 :]
        end = position + len(word)
        changed = changed[:position] + others[draws.below(len(others))] + changed[end:]
    begun = [found.end() for found in SENTENCE_END.finditer(text, 0, places[0][0])]
    cut = begun[-1] - 1 if begun else 0
    first, second = (text, changed) if draws.below(2) else (changed, text)
    log_odds = bits(second, grammar=grammar) - bits(first, grammar=grammar)
    found = Pair(text[:cut], first[cut:], second[cut:], log_odds, 0)
    return found._replace(chosen=int(draws.below(FINE) >= found.chance * FINE))


def free_words(seed: int, index: int, grammar: Grammar) -> tuple[str, list[tuple[int, Table, int]]]:
    """A document, and its words on which nothing depends: (position, table, number of the option)."""
    draws, said, places = Draws(seed, index), "", list[tuple[int, Table, int]]()
    at, todo, facts = grammar.start
    while at != END:
        prefix, table = grammar.nodes[at].open(facts)
        choice = table.pick(draws)
        if len(table.pieces) > 1 and all(value is None for value in table.values):
            places.append((len(said) + len(prefix), table, choice))
        said += prefix + table.pieces[choice]
        at, todo, facts = grammar.nodes[at].move(todo, facts, table.values[choice])
    return said, places


class Preference(NamedTuple):
    """A pair as an instruction with two answers to it."""

    instruction: str
    input: str  # the beginning of the document, or empty
    chosen: str
    rejected: str
    log_odds: float  # log2 of p(chosen) / p(rejected): where it is below 0, the drawn choice is the worse one


class Judged(NamedTuple):
    """How well a model tells the better of two answers from the worse one."""

    better: float  # how often it names the likelier one; 1 can be reached. Even odds are left out
    agreement: float  # how often it agrees with who chooses, on average over all draws of the choices
    best_agreement: float  # the highest that anyone can reach


def village_preferences(seed: int, split: str, n: int, changes: int = 6) -> list[Preference]:
    """The first n pairs of a split, for `changes` see `pair`. No two splits share a document."""
    if split not in FIRST:
        raise ValueError(f"There is no split {split!r}. Known: {', '.join(FIRST)}.")
    found = []
    for index in range(FIRST[split], FIRST[split] + n):
        one = pair(seed, index, changes)
        answers = [text.strip() for text in (one.first, one.second)]
        log_odds = -one.log_odds if one.chosen else one.log_odds
        asked = GO_ON if one.prompt else BEGIN
        found.append(Preference(asked, one.prompt, answers[one.chosen], answers[1 - one.chosen], log_odds))
    return found


def judged(pairs: Sequence[Preference], margins: Sequence[float]) -> Judged:
    """What a model's margins come to: above 0 where it prefers the chosen answer, below 0 the other one.

    All three are exact: they follow from the odds, not from the choices that were drawn. A margin of 0 counts
    half.
    """
    names_chosen = [0.5 if margin == 0 else float(margin > 0) for margin in margins]
    chances = [1 / (1 + 2.0**-one.log_odds) for one in pairs]
    both = list(zip(names_chosen, chances, strict=True))
    return Judged(
        better=fmean(named if chance > 0.5 else 1 - named for named, chance in both if chance != 0.5),
        agreement=fmean(named * chance + (1 - named) * (1 - chance) for named, chance in both),
        best_agreement=fmean(max(chance, 1 - chance) for chance in chances),
    )
