"""What a model has learned of the village: its facts, what each cause still costs, and possible documents.

Of each document the source can explain every letter (`village/tasks/causes.py`). So the bits that a model
pays above the best possible are told apart by cause, and the words that the story fixes are known.
"""

import math
from collections import Counter
from dataclasses import dataclass
from functools import lru_cache, partial
from typing import Any, NamedTuple

import numpy as np
import torch

from groundup import village
from groundup.errors import UserError
from groundup.evaluation.score import Likelihoods, Score, rolling
from groundup.evaluation.statistics import bootstrap_ratio, wilson
from groundup.evaluation.texts import Texts
from groundup.generation.engine import write_documents
from groundup.generation.sample import Sampling
from groundup.tasks._task import Follow, Progress, Task
from groundup.text.tokenizer import StreamDecoder, Tokenizer
from groundup.village.tasks.causes import CAUSES, explained
from groundup.weights.folder import Loaded

VERSION = 2
_made = partial(Score, task="village", version=VERSION)
SAMPLES, AT_ONCE, SEED = 128, 64, 1
CERTAIN = 1e-6  # bits: a fact that costs the source more could also have been another word
FREELY = Sampling(temperature=1.0, top_k=0, top_p=1.0)


class Marks(NamedTuple):
    """What the source knows of a document's targets: its tokens, and the border that ends it."""

    cause: np.ndarray  # (targets,) place in CAUSES
    floor: np.ndarray  # (targets,) bits in the source; their sum is that of the document
    facts: np.ndarray  # (facts, 2) the first target of each fact, and the one after its last
    guessed: np.ndarray  # (facts,) bool: whether the most frequent word for such a fact is the right one


@dataclass(frozen=True)
class Told:
    """The likelihoods of documents told apart, (documents, ...) each."""

    excess: np.ndarray  # (documents, causes) bits above the best possible
    facts: np.ndarray  # (documents,) how many facts it has
    learned: np.ndarray  # (documents,) how many of them are the model's first choice
    guessed: np.ndarray  # (documents,) how many of them the most frequent word would be


def fits(text: str) -> bool:
    """Whether a text is a document of the village."""
    return village.bits(text) < math.inf


def marks_of(tokenizer: Tokenizer, texts: Texts, progress: Progress | None = None) -> list[Marks]:
    """The marks of all documents. UserError if one is no document of the village."""
    marked = []
    for number, ids in enumerate(texts.ids):
        text = texts.text(tokenizer, number)
        found = _explained(text)
        if found is None or ids[-1] != tokenizer.border_id:
            raise UserError(
                f"Document {number} of {texts.source} is none of the village: {text[:40]!r}. "
                "Leave the task village out."
            )
        marked.append(_marks(tokenizer, ids, text, *found))
        if progress:
            progress(number + 1, len(texts.ids))
    return marked


@lru_cache(maxsize=4096)  # documents are scored again and again while a model learns; 5 kB each
def _explained(text: str) -> tuple[np.ndarray, np.ndarray, np.ndarray] | None:
    """Cause and bits of each character and the end; start, end, guess of each fact. None if impossible."""
    letters, facts = explained(text)
    if letters[-1].bits == math.inf:
        return None
    cause = np.array([CAUSES.index(one.cause) for one in letters], dtype=np.int8)
    rows = [(one.start, one.end, one.guess == text[one.start : one.end]) for one in facts]
    return cause, np.array([one.bits for one in letters]), np.array(rows, dtype=np.int64).reshape(-1, 3)


def _marks(
    tokenizer: Tokenizer, ids: np.ndarray, text: str, cause: np.ndarray, bits: np.ndarray, facts: np.ndarray
) -> Marks:
    """From characters to tokens. A token has the bits of its characters, and the first of their causes."""
    decoder = StreamDecoder(tokenizer)
    lengths = [len(decoder.push(int(id))) for id in ids[1:-1]]  # the texts are ASCII: no character is cut
    assert sum(lengths) == len(text), "a token must stand for whole characters"
    starts = np.concatenate([[0], np.cumsum(lengths, dtype=np.int64)])  # (targets,) the border's: the end
    floor = np.add.reduceat(bits, starts)
    before = np.concatenate([[0.0], np.cumsum(floor)])
    first = np.searchsorted(starts, facts[:, 0], side="right") - 1
    after = np.searchsorted(starts, facts[:, 1], side="left")
    certain = before[after] - before[first] < CERTAIN
    spans = np.stack([first, after], axis=1)[certain]
    return Marks(np.minimum.reduceat(cause, starts), floor, spans, facts[certain, 2] != 0)


def tell_apart(found: Likelihoods, marked: list[Marks]) -> Told:
    """What the model paid too much for each cause, and which facts it knew."""
    n_causes = len(CAUSES)
    excess = [
        np.bincount(marks.cause, weights=nats / math.log(2) - marks.floor, minlength=n_causes)
        for nats, marks in zip(found.each, marked, strict=True)
    ]
    learned = [
        sum(bool(first[start:end].all()) for start, end in marks.facts)
        for first, marks in zip(found.first, marked, strict=True)
    ]
    counts = [(len(marks.facts), int(marks.guessed.sum())) for marks in marked]
    return Told(np.array(excess), np.array(counts)[:, 0], np.array(learned), np.array(counts)[:, 1])


def follow(tokenizer: Tokenizer, texts: Texts) -> Follow:
    """What is worth a line at each validation: bits of excess per document by cause, and facts learned."""
    marked = marks_of(tokenizer, texts)

    def line(found: Likelihoods) -> dict[str, Any]:
        told = tell_apart(found, marked)
        means = dict(zip(CAUSES, told.excess.mean(0).tolist(), strict=True))
        facts = int(told.facts.sum())
        return {
            "excess_bits_per_document": means,
            "facts_learned": int(told.learned.sum()) / facts if facts else None,
        }

    return line


def score(loaded: Loaded, texts: Texts, progress: Progress | None = None) -> list[Score]:
    """Facts learned, possible samples, and the bits that each cause costs too much."""
    marked = marks_of(loaded.tokenizer, texts, _stage(progress, 0))
    told = tell_apart(rolling(loaded.model, texts.ids, progress=_stage(progress, 1)), marked)
    longest = max(len(ids) for ids in texts.ids)
    samples = possible_samples(loaded, longest, _stage(progress, 2))
    return [*facts_learned(told, texts), *samples, *excess(told, texts)]


def _stage(progress: Progress | None, number: int) -> Progress | None:
    """Three pieces of work of about the same length, told as one."""
    if progress is None:
        return None
    return lambda done, total: progress(1000 * number + 1000 * done // total, 3000)


def facts_learned(told: Told, texts: Texts) -> list[Score]:
    """The share of facts whose every token is the model's first choice; no score where there are no facts."""
    n, learned = int(told.facts.sum()), int(told.learned.sum())
    if not n:
        return []
    return [
        _made(
            metric="facts_learned",
            value=learned / n,
            interval=bootstrap_ratio(told.learned, told.facts),
            n=n,
            protocol=f"{texts.source}: {n} words in {len(texts.ids)} documents that the text before them "
            "fixes (who, what, where, on which day, how many); learned: each of its tokens is the model's "
            "first choice. The best possible is 1; chance: always the most frequent word that fits there",
            chance=int(told.guessed.sum()) / n,
        )
    ]


def excess(told: Told, texts: Texts) -> list[Score]:
    """Bits per document above the best possible: all of them, then by cause. The parts add up."""
    parts = {"excess_bits": told.excess.sum(1)}
    parts |= {f"excess_bits_{cause}": told.excess[:, place] for place, cause in enumerate(CAUSES)}
    return [
        _made(
            metric=metric,
            value=float(bits.mean()),
            interval=bootstrap_ratio(bits, np.ones(len(bits))),
            n=len(bits),
            protocol=f"{texts.source}: bits per document above the best possible, by the cause of each token",
        )
        for metric, bits in parts.items()
    ]


def possible_samples(loaded: Loaded, max_tokens: int, progress: Progress | None = None) -> list[Score]:
    """How many of the documents that the model writes by itself are possible, and how far the others come."""
    generator, samples = torch.Generator().manual_seed(SEED), list[dict[str, Any]]()
    for start in range(0, SAMPLES, AT_ONCE):
        for ids, ended in write_documents(loaded, AT_ONCE, max_tokens, FREELY, generator):
            samples.append(_checked(loaded.tokenizer.decode(ids), ended))
        if progress:
            progress(start + AT_ONCE, SAMPLES)
    possible = sum(sample["mistake"] is None for sample in samples)
    parts = [_possible_part(sample) for sample in samples]
    causes = Counter(sample["mistake"]["cause"] for sample in samples if sample["mistake"])
    protocol = (
        f"{SAMPLES} documents drawn from the border at temperature 1 from all tokens, seed {SEED}; "
        f"one that has not ended after {max_tokens} tokens counts as far as it goes"
    )

    made = partial(_made, n=SAMPLES, protocol=protocol)
    details = {"mistakes": dict(causes.most_common()), "samples": samples}
    share, part = wilson(possible, SAMPLES), bootstrap_ratio(parts, np.ones(SAMPLES))
    return [
        made(metric="possible_samples", value=possible / SAMPLES, interval=share, details=details),
        made(metric="possible_part", value=float(np.mean(parts)), interval=part),
    ]


def _checked(text: str, ended: bool) -> dict[str, Any]:
    """A sample with its first mistake, as JSON."""
    mistake = village.check(text, complete=ended, suggest=False)
    if mistake is None:
        return {"text": text, "ended": ended, "mistake": None}
    told = {name: getattr(mistake, name) for name in ("position", "word", "why", "cause")}
    return {"text": text, "ended": ended, "mistake": told}


def _possible_part(sample: dict[str, Any]) -> float:
    """The share of a sample's characters before its first impossible one."""
    if sample["mistake"] is None:
        return 1.0
    return sample["mistake"]["position"] / max(1, len(sample["text"]))


TASK = Task(
    name="village",
    about="what the model learned of the village: facts, the excess by cause, possible samples",
    version=VERSION,
    score=score,
    needs="documents of the village",
    fits=fits,
    follow=follow,
)
