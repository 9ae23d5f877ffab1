"""Preferences to learn from: two answers to the same prompt, of which people chose one.

Shapes: P pairs of a batch, 2 the chosen and the rejected answer, T tokens of the longest.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor

from groundup.data.conversations import (
    Conversation,
    Fields,
    WrongRecord,
    instruction_of,
    json_records,
    messages_of,
    refuse_missing,
    text_of,
)
from groundup.data.windows import NO_TARGET, Sample, pad
from groundup.errors import UserError
from groundup.text.chat import encode_chat
from groundup.text.tokenizer import Tokenizer

CHOSEN, REJECTED = "chosen", "rejected"


class Preference(NamedTuple):
    """A prompt and two answers to it. A prompt of several turns ends with the user's last message."""

    prompt: Conversation
    chosen: str
    rejected: str


@dataclass(frozen=True)
class Preferences:
    """What a file held: the pairs, and the numbers of the records (from 1) that teach nothing."""

    found: list[Preference]
    empty: list[int]  # the prompt or an answer is empty
    equal: list[int]  # both answers are the same


def read_preferences(file: Path) -> Preferences:
    """The pairs of a JSON list or of JSON lines, which may be compressed: .gz or .zst.

    Each record has "chosen" and "rejected": two texts beside "instruction" (and "input") or "prompt", or two
    lists of messages that differ only in their last one, the assistant's. UserError, with the number of the
    record or line, for what is no JSON, lacks a field or is of no such form.
    """
    found: list[Preference] = []
    empty: list[int] = []
    equal: list[int] = []
    for number, (where, record) in enumerate(json_records(file), 1):
        try:
            pair = _preference(record)
        except WrongRecord as wrong:
            raise UserError(f"{where} of {file} {wrong}. Mend it, or take it out.") from None
        texts = [*(message["content"] for message in pair.prompt), pair.chosen, pair.rejected]
        if not pair.prompt or not all(text.strip() for text in texts):
            empty.append(number)
        elif pair.chosen.strip() == pair.rejected.strip():
            equal.append(number)
        else:
            found.append(pair)
    if not found and not empty and not equal:
        raise UserError(f"{file} holds no record. Give a JSON list, or JSON lines.")
    return Preferences(found, empty, equal)


def _preference(record: object) -> Preference:
    if not isinstance(record, dict):
        raise WrongRecord(f"is no JSON object: {str(record)[:40]!r}")
    refuse_missing(record, (CHOSEN, REJECTED))
    if not isinstance(record[CHOSEN], str):
        return _of_messages(record)
    if "instruction" in record:
        asked = instruction_of(record)
    elif isinstance(record.get("prompt"), list):
        return Preference(messages_of(record, "prompt"), text_of(record, CHOSEN), text_of(record, REJECTED))
    else:
        refuse_missing(record, ("prompt",))
        asked = text_of(record, "prompt")
    prompt = [{"role": "user", "content": asked}]
    return Preference(prompt, text_of(record, CHOSEN), text_of(record, REJECTED))


def _of_messages(record: Fields) -> Preference:
    """Two conversations with the same beginning, or two ways to go on with a prompt of messages."""
    chosen, rejected = messages_of(record, CHOSEN), messages_of(record, REJECTED)
    for field, messages in ((CHOSEN, chosen), (REJECTED, rejected)):
        if not messages or messages[-1]["role"] != "assistant":
            raise WrongRecord(f'has no answer of the assistant at the end of its field "{field}"')
    if chosen[:-1] != rejected[:-1]:
        raise WrongRecord(
            'has conversations in "chosen" and "rejected" that differ before their last message'
        )
    before = messages_of(record, "prompt") if isinstance(record.get("prompt"), list) else []
    return Preference([*before, *chosen[:-1]], chosen[-1]["content"], rejected[-1]["content"])


class PreferenceSample(NamedTuple):
    """A pair as a model reads it; with what the reference says of it once that is known."""

    chosen: Sample  # inputs and targets (t,)
    rejected: Sample
    reference: Tensor | None = None  # (2,) log p of both answers, in nats


class PreferenceExamples:
    """Pairs as ids by the tokenizer's chat template, only the answers and what ends them as targets.

    A pair is left out, and counted in `too_long`, if one of its conversations has more than max_length + 1
    tokens: half an answer is not what people chose. UserError if none is left.
    """

    def __init__(self, preferences: Sequence[Preference], tokenizer: Tokenizer, max_length: int):
        self.samples: list[PreferenceSample] = []
        self.too_long: list[int] = []  # places in `preferences`
        self.reference: Tensor | None = None  # (examples, 2), see `attach`
        for place, (prompt, *answers) in enumerate(preferences):
            chosen, rejected = (_encode(tokenizer, prompt, answer) for answer in answers)
            sample = PreferenceSample(chosen, rejected)
            if max(len(sample.chosen[0]), len(sample.rejected[0])) > max_length:
                self.too_long.append(place)
            else:
                self.samples.append(sample)
        if not self.samples:
            raise UserError(
                f"None of {len(preferences)} preferences fits into {max_length} tokens. Raise max_length, or "
                f"give shorter ones."
            )

    def __len__(self) -> int:
        return len(self.samples)

    def __getitem__(self, index: int) -> PreferenceSample:
        sample = self.samples[index]
        return sample if self.reference is None else sample._replace(reference=self.reference[index])

    def attach(self, reference: Tensor) -> None:
        """Give each example what the reference says of its answers: log p in nats, (examples, 2)."""
        assert reference.shape == (len(self), 2), "the reference is of other examples"
        self.reference = reference


def _encode(tokenizer: Tokenizer, prompt: Conversation, answer: str) -> Sample:
    """Inputs and targets of a conversation whose last answer alone is learned."""
    ids, learned = encode_chat(tokenizer, [*prompt, {"role": "assistant", "content": answer}])
    # Earlier answers are part of the prompt: both conversations have them.
    end = max((place for place, counts in enumerate(learned) if counts), default=-1) + 1
    start = end
    while start and learned[start - 1]:
        start -= 1
    targets = [id if start <= place < end else NO_TARGET for place, id in enumerate(ids)]
    return torch.tensor(ids[:-1]), torch.tensor(targets[1:])


def stack_preferences(samples: Sequence[PreferenceSample]) -> dict[str, Tensor]:
    """Pairs as a batch: {"ids": (P, 2, T), "targets": (P, 2, T), "reference": (P, 2) where it is known}."""
    both = [each for sample in samples for each in (sample.chosen, sample.rejected)]
    ids, targets = (rows.view(len(samples), 2, -1) for rows in pad(both))
    known = [sample.reference for sample in samples if sample.reference is not None]
    return {"ids": ids, "targets": targets, **({"reference": torch.stack(known)} if known else {})}
