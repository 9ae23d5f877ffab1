"""From labelled texts to examples to learn from: the split into parts, token ids, and batches.

Shapes: B examples of a batch, T tokens of its longest.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from groundup.data.labels import Labelled
from groundup.errors import UserError
from groundup.text.frame import Frame
from groundup.text.tokenizer import Tokenizer

LabelSample = tuple[Tensor, int]  # the ids of a text (t,), int64, and the place of its label


@dataclass(frozen=True)
class LabelSplit:
    """What to learn from, what to watch while learning, and what to judge by; the latter two may be empty."""

    train: Labelled
    validation: Labelled
    test: Labelled


def split_labelled(
    labelled: Labelled,
    *,
    validation: float | Labelled = 0.1,
    test: float | Labelled = 0.0,
    seed: int = 0,
    balance: bool = False,
) -> LabelSplit:
    """Cut labelled texts into parts, the same on every machine; each label is in each part by its share.

    validation, test: shares, or texts that are such a part already. seed: another one gives another split.
    balance: first leave out texts of the frequent labels, until all have as many as the rarest one. Equal
    texts are always on the same side, so none is judged that was learned. UserError if there are fewer than
    two labels, if a part gets no text, or if a label is in another part but not in training.
    """
    shares = [part if isinstance(part, int | float) else 0.0 for part in (validation, test)]
    if min(shares) < 0 or sum(shares) >= 1:
        raise UserError(
            f"validation = {shares[0]} and test = {shares[1]} are no shares that leave something to learn "
            f"from. Give numbers from 0 that add up to less than 1; usual is 0.1."
        )
    if balance:
        labelled = balanced(labelled, seed)
    if len(labelled.names) < 2:
        raise UserError(
            f"All texts have the label {', '.join(labelled.names)}, so there is nothing to tell apart. Give "
            f"texts with two or more labels."
        )
    sides: dict[str, int] = {}  # of each text: 0 train, 1 validation, 2 test
    for texts in _texts_by_label(labelled).values():
        ordered = sorted(texts, key=lambda text: _place(text, seed))
        sizes = [round(share * len(ordered)) for share in shares]
        while sum(sizes) >= len(ordered):  # one at least is learned
            sizes[sizes.index(max(sizes))] -= 1
        sides |= dict.fromkeys(ordered, 0)
        sides |= dict.fromkeys(ordered[: sum(sizes)], 1)
        sides |= dict.fromkeys(ordered[: sizes[1]], 2)
    cut = [labelled.chosen([i for i, t in enumerate(labelled.texts) if sides[t] == k]) for k in range(3)]
    parts = {
        "train": cut[0],
        "validation": validation if isinstance(validation, Labelled) else cut[1],
        "test": test if isinstance(test, Labelled) else cut[2],
    }
    for (name, part), share in zip(list(parts.items())[1:], shares, strict=True):
        if share and not len(part):
            raise UserError(
                f"The {name} part gets no text: {len(labelled)} are too few for a share of {share}. Give "
                f"more texts, or a larger share."
            )
        for label in part.names:
            if label not in cut[0].counts:
                raise UserError(
                    f"The label {label!r} is in the {name} part ({part.counts[label]} texts), but nothing "
                    f"to learn from has it. Those labels are: {', '.join(cut[0].names)}."
                )
    return LabelSplit(**parts)


def balanced(labelled: Labelled, seed: int = 0) -> Labelled:
    """As many texts of each label as the rarest one has, chosen by a hash; their order stays."""
    least = min(labelled.counts.values())
    places: dict[str, list[int]] = {name: [] for name in labelled.names}
    for i, label in enumerate(labelled.labels):
        places[label].append(i)
    kept: list[int] = []
    for own in places.values():
        kept += sorted(own, key=lambda i: (_place(labelled.texts[i], seed), i))[:least]
    return labelled.chosen(sorted(kept))


def _texts_by_label(labelled: Labelled) -> dict[str, list[str]]:
    """Each different text once, under the label that it has where it stands first."""
    first = dict(reversed(list(zip(labelled.texts, labelled.labels, strict=True))))
    found: dict[str, list[str]] = {}
    for text, label in first.items():
        found.setdefault(label, []).append(text)
    return found


def _place(text: str, seed: int) -> bytes:
    """Where a text stands in an order that does not depend on the other texts."""
    return hashlib.sha256(f"{seed} {text}".encode("utf-8", "surrogatepass")).digest()


class LabelledExamples:
    """Texts as ids with the place of their label: `examples[i]` is (ids (t,), label), where t <= max_length.

    The ids are those that transformers gives for the text. Of a longer one the beginning stays, and what the
    tokenizer puts at the end. UserError for a text without any token.
    """

    def __init__(self, texts: Sequence[str], labels: Sequence[int], tokenizer: Tokenizer, max_length: int):
        assert len(texts) == len(labels), "a text and a label each"
        frame = Frame.of(tokenizer)
        room = max_length - len(frame.before) - len(frame.after)
        if room < 1:
            raise UserError(
                f"max_length = {max_length} leaves no room for a text: the tokenizer puts "
                f"{len(frame.before) + len(frame.after)} ids around each. Choose a larger one."
            )
        self.labels, self.max_length = list(labels), max_length
        self.cut = self.lost = self.tokens = 0  # texts that were cut; tokens lost by that, of so many
        self.ids: list[Tensor] = []
        for number, ids in enumerate(tokenizer.encode_batch(texts), 1):
            if not ids:
                raise UserError(f"Text number {number} is empty: {texts[number - 1][:40]!r}. Leave it out.")
            self.tokens += len(ids)
            self.cut += len(ids) > room
            self.lost += max(0, len(ids) - room)
            self.ids.append(torch.tensor(frame.before + ids[:room] + frame.after))

    def __len__(self) -> int:
        return len(self.ids)

    def __getitem__(self, index: int) -> LabelSample:
        return self.ids[index], self.labels[index]

    @property
    def told(self) -> str:
        """What was cut off, in one sentence; nothing where all texts fit."""
        if not self.cut:
            return ""
        return (
            f"{self.cut:,} of {len(self):,} texts are longer than {self.max_length:,} tokens: their ends, "
            f"{self.lost / self.tokens:.1%} of all tokens, are not read."
        )


def stack_labelled(samples: Sequence[LabelSample]) -> dict[str, Tensor]:
    """Examples as a batch: {"ids": (B, T), "lengths": (B,), "labels": (B,)}, int64.

    Shorter texts are filled up at their end; `lengths` says how many ids are real.
    """
    ids, labels = zip(*samples, strict=True)
    return {
        "ids": torch.nn.utils.rnn.pad_sequence(list(ids), batch_first=True),
        "lengths": torch.tensor([len(each) for each in ids]),
        "labels": torch.tensor(labels),
    }
