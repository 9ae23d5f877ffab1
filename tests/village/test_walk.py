import hashlib
from collections import Counter

from groundup.village import documents, sample
from groundup.village.grammar import village
from groundup.village.randomness import Draws
from groundup.village.table import Table

FIRST = "98ba24584419e69a6ee9ce6a64c2e4e884ed8162e604b49369b8a4d475db3d85"
FAR = "337b6791ec6265ee260e02f6f785c320d22c0c1bcd2a09aa73af3056c270d804"


def test_the_generator_gives_the_published_numbers_of_splitmix64() -> None:
    draws = Draws(0, 0)
    draws.state = 1234567
    published = [6457827717110365317, 3203168211198807973, 9817491932198370423, 4593380528125082431]
    assert [draws.below(2**64) for _ in published] == published


def test_the_first_documents_are_the_same_bytes_on_every_machine() -> None:
    # A change of content changes these two; then every floor that was written down is another one too.
    first = hashlib.sha256("\0".join(documents(1, 0, 200)).encode()).hexdigest()
    far = hashlib.sha256("\0".join(documents(2**40, 10**12, 50)).encode()).hexdigest()
    assert first == FIRST
    assert far == FAR


def test_a_document_does_not_depend_on_the_ones_made_before_it() -> None:
    assert list(documents(7, 40, 5)) == [sample(7, index) for index in (40, 41, 42, 43, 44)]
    assert sample(7, 42) == list(documents(7, 0, 43))[42]


def test_seeds_and_indices_give_different_documents() -> None:
    texts = [sample(seed, index) for seed in range(-20, 20) for index in range(20)]
    assert len(set(texts)) == len(texts)


def test_kinds_of_document_come_as_often_as_their_weights_say() -> None:
    kinds = {kind.name: kind.weight / sum(k.weight for k in village().kinds) for kind in village().kinds}
    count = 3000
    found = Counter()
    for index in range(count):
        draws, start = Draws(9, index), village().plan(village().start[2])
        _, facts = start.values[start.pick(draws)]
        found[village().kinds[facts.kind].name] += 1
    for name, share in kinds.items():
        assert abs(found[name] - count * share) < 4 * (count * share * (1 - share)) ** 0.5


def test_a_table_picks_each_option_as_often_as_its_weight_says() -> None:
    table = Table([(5, "a", None), (3, "b", None), (1, "", None), (7, "ab", None)])
    draws, count = Draws(1, 1), 16000
    found = Counter(table.pick(draws) for _ in range(count))
    for option, weight in enumerate(table.weights):
        expected = count * weight / 16
        assert abs(found[option] - expected) < 4 * (expected * (1 - weight / 16)) ** 0.5


def test_a_table_finds_every_option_that_a_text_goes_on_with() -> None:
    table = Table([(5, "a", None), (3, "b", None), (1, "", None), (7, "ab", None)])
    assert sorted(table.matching("xab", 1)) == [0, 2, 3]
    assert sorted(table.matching("xab", 3)) == [2]
