"""Conversations as samples: the model reads all of them and learns their answers; several fit into one row.

Shapes: T = tokens of a sample, t = tokens of one example in it, B = samples of a batch.
"""

from bisect import bisect_left, insort
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor
from torch.utils.data import Dataset

from groundup.data.batches import Batch
from groundup.data.conversations import Conversation
from groundup.data.order import Order
from groundup.data.windows import NO_TARGET, Sample
from groundup.errors import UserError
from groundup.text.chat import answer_end_ids, encode_chat
from groundup.text.tokenizer import Tokenizer

PADDING = -1
"""The number of the document that fills a sample up: no example has it."""


class AnswerExamples(Dataset[Sample]):
    """The conversations that hold something to learn, each as one sample.

    `examples[i]` is (ids (t,), targets (t,)), both int64, with t <= max_length. The target of a token is the
    token after it where that is an answer's, or what ends the answer, and NO_TARGET elsewhere. What stands
    behind the last answer is not read. `stack_windows` makes a padded batch of such samples.

    A longer conversation is cut at its end, and what its answers lose is counted. Conversations are named by
    their places in the list, from 0: `empty` have no answer, of `left_out` the whole answer was cut off, and
    `cut` lost a part. UserError if nothing is left, if a template or an end of answers is missing, or if the
    template refuses a conversation. now: for templates that tell the date; the same one gives the same ids.
    """

    def __init__(
        self,
        conversations: Sequence[Conversation],
        tokenizer: Tokenizer,
        max_length: int,
        *,
        now: datetime | None = None,
        progress: Callable[[int, int], None] | None = None,
    ):
        if max_length < 2:
            raise UserError(f"max_length={max_length} leaves no room for an answer. Give at least 2 tokens.")
        answer_end_ids(tokenizer)  # an answer that nothing ends would teach the model to speak for ever
        self.max_length = max_length
        self.empty: list[int] = []
        self.left_out: list[int] = []
        self.cut: list[int] = []
        self.answer_tokens = self.lost_tokens = 0  # in all conversations, and cut off from them
        self._texts: list[np.ndarray] = []  # (t + 1,) each
        self._learned: list[np.ndarray] = []  # (t,) each: whether the next token is a target
        now = now or datetime.now()  # one for all
        for number, conversation in enumerate(conversations):
            try:
                self._add(number, conversation, tokenizer, now)
            except UserError as error:
                raise UserError(f"Conversation {number + 1} of {len(conversations)}: {error}") from error
            if progress:
                progress(number + 1, len(conversations))
        if not self._texts:
            raise UserError(
                f"Of {len(conversations)} conversations none has an answer within {max_length} tokens. Raise "
                f"max_length, or give conversations with answers."
            )

    def _add(self, number: int, conversation: Conversation, tokenizer: Tokenizer, now: datetime) -> None:
        if not any(message["role"] == "assistant" and message["content"].strip() for message in conversation):
            self.empty.append(number)
            return
        ids, learned = encode_chat(tokenizer, conversation, now=now)
        targets = np.flatnonzero(learned[1:]) + 1  # the places of all tokens that are learned
        kept = targets[targets <= self.max_length]
        self.answer_tokens += len(targets)
        self.lost_tokens += len(targets) - len(kept)
        if not len(kept):
            self.left_out.append(number)
            return
        if len(kept) < len(targets):
            self.cut.append(number)
        end = int(kept[-1])
        self._texts.append(np.array(ids[: end + 1], dtype=np.int32))
        self._learned.append(np.array(learned[1 : end + 1]))

    def __len__(self) -> int:
        return len(self._texts)

    def __getitem__(self, index: int) -> Sample:
        text = torch.from_numpy(self._texts[index].astype(np.int64))
        return text[:-1], text[1:].where(torch.from_numpy(self._learned[index]), NO_TARGET)

    @property
    def lengths(self) -> list[int]:
        """The t of each example."""
        return [len(text) - 1 for text in self._texts]

    @property
    def told(self) -> str:
        """What became of the conversations, in one sentence."""
        learned = self.answer_tokens - self.lost_tokens
        words = [f"Conversations: {len(self):,}, with {learned:,} tokens of answers"]
        if self.cut or self.left_out:
            share = 100 * self.lost_tokens / self.answer_tokens
            words.append(
                f"{len(self.cut):,} cut at {self.max_length:,} tokens and {len(self.left_out):,} left out, "
                f"whose whole answer lies behind that: {share:.1f} % of all tokens of answers are lost"
            )
        if self.empty:
            words.append(f"{len(self.empty):,} left out that have no answer")
        return "; ".join(words) + "."


class Packed(NamedTuple):
    """Several examples side by side in one sample; all (T,) int64. What fills it up stands at its end."""

    ids: Tensor
    targets: Tensor
    documents: Tensor  # the number of the example, from 0, or PADDING: attention stays within it
    positions: Tensor  # from 0 in each example


class PackedAnswers(Dataset[Packed]):
    """The examples, as many in each sample as fit into `room` tokens (by default their max_length).

    Which ones share a sample is decided once, by the seed; `groups` has the numbers of the examples in each.
    All samples have the T of the fullest one, so that compiled code sees only one shape.
    """

    def __init__(self, examples: AnswerExamples, seed: int, *, room: int | None = None):
        self.examples, lengths = examples, examples.lengths
        self.groups = pack(lengths, room or examples.max_length, seed)
        self.length = max(sum(lengths[number] for number in group) for group in self.groups)

    def __len__(self) -> int:
        return len(self.groups)

    def __getitem__(self, index: int) -> Packed:
        ids, targets = zip(*(self.examples[number] for number in self.groups[index]), strict=True)
        documents = [torch.full_like(each, number) for number, each in enumerate(ids)]
        positions = [torch.arange(len(each)) for each in ids]
        return Packed(
            self._filled(ids, 0),
            self._filled(targets, NO_TARGET),
            self._filled(documents, PADDING),
            self._filled(positions, 0),
        )

    def _filled(self, parts: Sequence[Tensor], value: int) -> Tensor:
        """(T,) the parts, and this value in what is left."""
        joined = torch.cat([*parts])
        return F.pad(joined, (0, self.length - len(joined)), value=value)


def pack(lengths: Sequence[int], room: int, seed: int) -> list[list[int]]:
    """Groups of numbers of examples whose lengths add up to at most `room`; each example is in one group.

    The longest come first, each into the group that it fills best; the seed decides among equally long ones.
    At worst that makes 22 % more groups than needed, and four; with many short examples it makes hardly any
    more. Source: Johnson et al. 1974 (best-fit decreasing).
    """
    assert max(lengths, default=0) <= room, "an example is longer than a sample"
    shuffled = map(Order(len(lengths), seed).at, range(len(lengths)))
    groups: list[list[int]] = []
    left: list[tuple[int, int]] = []  # (room that is left in a group, its number), the fullest first
    for number in sorted(shuffled, key=lambda number: -lengths[number]):
        place = bisect_left(left, (lengths[number], 0))
        space, group = left.pop(place) if place < len(left) else (room, len(groups))
        if group == len(groups):
            groups.append([])
        groups[group].append(number)
        insort(left, (space - lengths[number], group))
    return groups


def stack_answers(samples: Sequence[Packed]) -> Batch:
    """Packed samples as a batch: {"ids", "targets", "documents", "positions"}, each (B, T) int64."""
    columns = zip(Packed._fields, zip(*samples, strict=True), strict=True)
    return {name: torch.stack(list(rows)) for name, rows in columns}
