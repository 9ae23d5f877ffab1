"""Facts, causes and possible samples: both ends of the scale are known, and the parts add up."""

import math
from collections import Counter
from collections.abc import Callable

import numpy as np
import pytest

from groundup import village
from groundup.errors import UserError
from groundup.evaluation.score import Likelihoods, rolling
from groundup.evaluation.texts import Texts
from groundup.tasks import TASKS, evaluate
from groundup.tasks import village as task_file
from groundup.tasks.village import (
    CAUSES,
    TASK,
    Marks,
    excess,
    facts_learned,
    marks_of,
    possible_samples,
    tell_apart,
)
from groundup.text.bpe import train_bpe
from groundup.text.tokenizer import Tokenizer
from groundup.village.filter import read
from groundup.village.tasks.causes import letters, span
from groundup.village.tasks.told import tell
from groundup.weights.folder import Loaded


@pytest.fixture(scope="module")
def tokenizer(stories: list[str]) -> Tokenizer:
    """Whole words and parts of words, as a run has them."""
    return train_bpe(stories, 700)


@pytest.fixture(scope="module")
def texts(tokenizer: Tokenizer, stories: list[str]) -> Texts:
    return Texts.from_strings(tokenizer, stories, village.bits, source="the village")


@pytest.fixture(scope="module")
def marked(tokenizer: Tokenizer, texts: Texts) -> list[Marks]:
    return marks_of(tokenizer, texts)


def answers(nats: list[np.ndarray], first: list[np.ndarray]) -> Likelihoods:
    """What a model that gives these answers would be scored as."""
    sums = np.array([one.sum() for one in nats])
    right, targets = np.array([one.sum() for one in first]), np.array([len(one) for one in first])
    return Likelihoods(np.arange(len(nats)), sums, right, targets, nats, first)


def test_the_bits_of_the_tokens_add_up_to_the_bits_of_the_document(marked, stories):
    for marks, text in zip(marked, stories, strict=True):
        assert marks.floor.sum() == pytest.approx(village.bits(text), rel=1e-9)


def test_a_token_has_the_first_cause_of_its_characters_and_their_bits(tokenizer, texts, marked, stories):
    for number, text in enumerate(stories[:10]):
        pieces, start = letters(text), 0
        for place, id in enumerate(texts.ids[number][1:].tolist()):
            end = start + (1 if id == tokenizer.border_id else len(tokenizer.decode([id])))
            bits, cause = span(pieces, start, end)
            assert CAUSES[marked[number].cause[place]] == cause
            assert marked[number].floor[place] == pytest.approx(bits, abs=1e-12)
            start = end
        assert start == len(text) + 1


def test_a_fact_is_the_only_word_that_the_source_could_have_said(tokenizer, texts, marked):
    tried = 0
    for number, marks in enumerate(marked[:8]):
        text, ids = texts.text(tokenizer, number), texts.ids[number].tolist()
        for start, end in marks.facts:
            before = tokenizer.decode(ids[1 : start + 1])
            said = tokenizer.decode(ids[1 : end + 1])
            assert text.startswith(said)
            assert len(said) > len(before)
            for other in "ATefgksty":
                if text[len(before) :].lstrip()[:1] != other:
                    space = text[len(before)] if text[len(before)].isspace() else ""
                    assert not read(before + space + other).unfinished
                    tried += 1
    assert tried > 100


def test_the_source_itself_has_learned_every_fact_and_has_no_excess(texts, marked):
    # It gives each token its exact probability; what has more than half of it is the first choice for sure.
    exact = answers([marks.floor * math.log(2) for marks in marked], [marks.floor < 1 for marks in marked])
    told = tell_apart(exact, marked)
    (learned,) = facts_learned(told, texts)
    assert learned.value == 1
    assert learned.n == told.facts.sum() > 100
    assert learned.chance is not None
    assert 0.05 < learned.chance < 0.3
    assert [score.value for score in excess(told, texts)] == pytest.approx([0] * 5, abs=1e-9)


def test_one_who_ignores_the_story_and_knows_the_rest_reaches_exactly_the_chance(texts, marked):
    first = []
    for marks in marked:
        right = marks.floor < 1
        for (start, end), guessed in zip(marks.facts, marks.guessed, strict=True):
            right[start:end] = guessed
        first.append(right)
    (learned,) = facts_learned(tell_apart(answers([m.floor for m in marked], first), marked), texts)
    assert learned.value == learned.chance


def test_half_of_a_word_is_not_the_word(texts, marked):
    long = [(d, start, end) for d, m in enumerate(marked) for start, end in m.facts if end - start > 1]
    assert long
    first = [marks.floor < 1 for marks in marked]
    document, start, _ = long[0]
    first[document][start] = False
    told = tell_apart(answers([m.floor for m in marked], first), marked)
    assert told.learned.sum() == told.facts.sum() - 1


def test_the_guess_is_the_word_that_the_source_says_most_often_for_such_a_fact():
    said: dict[tuple[str, str], Counter[str]] = {}
    for index in range(300):
        told = tell(5, index)
        for part in told.parts:
            if part.cause == "fact":
                words = said.setdefault((part.register, part.guess), Counter())
                words[told.text[part.start : part.end]] += 1
    often = {key: words for key, words in said.items() if words.total() >= 30}
    assert len(often) > 5
    for (_, guess), words in often.items():
        # Chances of like size take turns at being the largest; but the rarest word is never near it.
        assert words[guess] >= 0.6 * max(words.values()) - 4, (guess, words.most_common(3))


def test_the_causes_add_up_to_the_excess_that_perplexity_reports(make_loaded, stories):
    loaded: Loaded = make_loaded(shake=0.3, context_length=64)
    texts = Texts.from_strings(loaded.tokenizer, stories[:12], village.bits)
    found = {score.metric: score.value for score in TASK.score(loaded, texts, None)}
    percent = next(
        s.value for s in TASKS.get("perplexity").score(loaded, texts, None) if "excess" in s.metric
    )
    assert texts.floor_bits is not None
    assert sum(found[f"excess_bits_{cause}"] for cause in CAUSES) == pytest.approx(
        found["excess_bits"], rel=1e-9
    )
    assert 12 * found["excess_bits"] == pytest.approx(percent / 100 * texts.floor_bits.sum(), rel=1e-6)
    assert min(found[f"excess_bits_{cause}"] for cause in CAUSES) > 0


def test_forgetting_four_bits_at_each_fact_is_an_excess_on_facts_alone(texts, marked):
    place = CAUSES.index("fact")
    nats = [(m.floor + 4 * (m.cause == place)) * math.log(2) for m in marked]
    told = tell_apart(answers(nats, [m.floor < 1 for m in marked]), marked)
    assert told.excess[:, place] == pytest.approx([4 * np.sum(m.cause == place) for m in marked])
    assert np.delete(told.excess, place, axis=1) == pytest.approx(0, abs=1e-9)


def write(documents: list[tuple[str, bool]]) -> Callable:
    """In the place of a model's writing: these documents again and again, with whether each has ended."""
    queue = iter(documents * task_file.SAMPLES)

    def write_documents(loaded: Loaded, count: int, *rest: object) -> list[tuple[list[int], bool]]:
        return [(loaded.tokenizer.encode(text), ended) for text, ended in (next(queue) for _ in range(count))]

    return write_documents


@pytest.mark.parametrize(
    "documents, share, mistakes",
    [
        ([("{0}", True), ("{1:.100}", False)], 1.0, {}),
        ([("{0}", True), ("{2} So.", True)], 0.5, {"end": 16}),
        ([("{0}", True), ("{1:.100}", False), ("{1:.100}", True), ("{2}", True)], 0.75, {"end": 8}),
        ([("Qwxz is no word.", True)], 0.0, {"spelling": 32}),
    ],
)
def test_what_the_source_writes_is_possible_and_other_documents_are_not(
    make_loaded, stories, monkeypatch, documents, share, mistakes
):
    written = [(text.format(*stories), ended) for text, ended in documents]
    monkeypatch.setattr(task_file, "SAMPLES", 32)
    monkeypatch.setattr(task_file, "AT_ONCE", 8)
    monkeypatch.setattr(task_file, "write_documents", write(written))
    whole, part = possible_samples(make_loaded(), 300)
    assert whole.value == share
    assert whole.interval is not None
    assert whole.interval[0] <= share <= whole.interval[1]
    assert whole.details["mistakes"] == mistakes
    assert len(whole.details["samples"]) == whole.n == 32
    words = [one["mistake"]["word"] for one in whole.details["samples"] if one["mistake"]]
    assert part.value >= share if share else (part.value == 0 and set(words) == {"Qwxz"})


def test_texts_of_elsewhere_are_refused_in_one_line(make_loaded, stories):
    with pytest.raises(UserError, match="village needs documents of the village") as refused:
        evaluate(make_loaded(), "village", documents=["Call me Ishmael."])
    assert "\n" not in str(refused.value)
    with pytest.raises(UserError, match="Document 1 of given texts is none of the village: 'Call me"):
        evaluate(make_loaded(), "village", documents=[stories[0], "Call me Ishmael."])


def test_a_document_that_is_cut_off_is_none(make_loaded, stories):
    loaded = make_loaded()
    with pytest.raises(UserError, match="village"):
        evaluate(loaded, "village", documents=[stories[0][:80]])


def test_what_is_followed_while_learning_is_what_the_task_finds(make_loaded, stories):
    loaded: Loaded = make_loaded(shake=0.3, context_length=64)
    texts = Texts.from_strings(loaded.tokenizer, stories[:12], village.bits)
    assert TASK.follow is not None
    line = TASK.follow(loaded.tokenizer, texts)(rolling(loaded.model, texts.ids))
    found = {score.metric: score.value for score in TASK.score(loaded, texts, None)}
    for cause in CAUSES:
        assert line["excess_bits_per_document"][cause] == pytest.approx(found[f"excess_bits_{cause}"])
    assert line["facts_learned"] == found["facts_learned"]
