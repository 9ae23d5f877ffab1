"""Writing documents: random walks through the grammar. Document `index` of a seed needs no other."""

from collections.abc import Iterator

from groundup.village.grammar import END, Grammar, village
from groundup.village.randomness import Draws


def sample(seed: int, index: int, *, grammar: Grammar | None = None) -> str:
    """Document number `index` of the endless corpus of `seed`: the same text on every machine, in O(1)."""
    grammar = grammar or village()
    nodes, draws, said = grammar.nodes, Draws(seed, index), []
    at, todo, facts = grammar.start
    while at != END:
        node = nodes[at]
        prefix, table = node.open(facts)
        choice = table.pick(draws)
        said += prefix, table.pieces[choice]
        at, todo, facts = node.move(todo, facts, table.values[choice])
    return "".join(said)


def documents(seed: int, start: int, count: int) -> Iterator[str]:
    """The documents start, start + 1, ... of the corpus of `seed`, `count` of them."""
    return (sample(seed, index) for index in range(start, start + count))
