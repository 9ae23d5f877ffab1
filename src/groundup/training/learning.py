"""What learns and what stays as it is: chosen by name, and told as a table before the first step."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields
from itertools import groupby

from torch import nn

from groundup.errors import UserError, did_you_mean
from groundup.model.decoder import Decoder
from groundup.model.encoder import Encoder
from groundup.model.lora import OTHER_NAMES
from groundup.training.optimizer import by_muon

LAST = re.compile(r"last (?:(\d+) )?blocks?")

BEFORE, AFTER = -1, 1 << 30  # places in the table: what comes before the blocks, and what comes after them
KINDS = ("attention", "mlp", "norms")  # the parts of a block

FOREIGN = {
    **{name: ours for name, ours in OTHER_NAMES.items() if ours != "blocks"},
    **dict.fromkeys(("wte", "embeddings", "embed_tokens", "word_embeddings"), "tokens"),
    **dict.fromkeys(("wpe", "position_embeddings"), "positions"),
    **dict.fromkeys(("ln_f", "model.norm"), "final_norm"),
    **dict.fromkeys(("lm_head", "classifier", "score", "out_head"), "head"),
    **dict.fromkeys(("h", "layers", "layer", "trf_blocks"), "blocks"),
    **dict.fromkeys(("full", "everything"), "all"),
}
"""How other projects call what can be chosen."""


def choose(model: nn.Module, what: str | Sequence[str]) -> None:
    """Let these parts of a model learn, and freeze all others.

    what: "all"; "head"; "last 2 blocks"; or a part of our parameters' names, such as "blocks.11", "mlp.up",
    "final_norm" or "positions"; or a list of these. Each means just what it says: the last blocks are not the
    norm behind them. The head is what a module around the transformer has beside it, else the decoder's
    matrix to the vocabulary; where that is the matrix of the embeddings too, both learn.

    What was added in order to learn does so whatever is chosen: LoRA's matrices, and a head beside the
    transformer, which begins with random numbers. UserError for what names nothing, and if nothing learns.
    """
    names = _Names(model)
    chosen = names.lora | names.beside
    for each in [what] if isinstance(what, str) else what:
        chosen |= names.meant_by(each)
    if not chosen:
        raise UserError("learn.what = [] lets nothing learn. Name at least one part, or add LoRA.")
    model.requires_grad_(False)
    for name in chosen:
        names.parameters[name].requires_grad_()


@dataclass(frozen=True)
class Part:
    """Some of the parameters, how many of them learn, and the bytes that training keeps for them."""

    name: str
    parameters: int
    learn: int
    weights: int  # bytes
    gradients: int  # bytes
    optimizer: int  # bytes of what it remembers, without its step counters


@dataclass(frozen=True)
class Learned:
    """Which parts of a model learn, and what that takes."""

    parts: list[Part]

    @property
    def total(self) -> Part:
        """The sum over all parts."""
        return _sum("all", self.parts)

    def lines(self) -> list[str]:
        """A table for the screen, as wide as it needs, and its sum in words."""
        rows = [["part", "parameters", "learn", "weights", "gradients", "optimizer"]]
        for part in [*self.parts, self.total]:
            sizes = [f"{size / 1e6:,.1f} MB" for size in (part.weights, part.gradients, part.optimizer)]
            rows.append([part.name, f"{part.parameters:,}", f"{part.learn:,}", *sizes])
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
        table = ["  ".join([row[0].ljust(widths[0]), *map(str.rjust, row[1:], widths[1:])]) for row in rows]
        total = self.total
        kept, share = total.weights + total.gradients + total.optimizer, total.learn / total.parameters
        words = f"{total.learn:,} of {total.parameters:,} parameters learn ({share:.2%})"
        return [*table, f"{words}; {kept / 1e6:,.1f} MB, and what a step needs besides."]


def learned(model: nn.Module, optimizer: str = "adamw") -> Learned:
    """Which parts of a model learn, as `choose` or `add_lora` left it; tied matrices count once.

    optimizer: "adamw", which remembers two numbers for each that learns, or "muon", which remembers one for
    each entry of a block's matrix. Blocks that are alike, one after the other, are one row.
    """
    names, once = _Names(model), {id(p) for p in by_muon(model)} if optimizer == "muon" else set()
    found: dict[tuple[int, str], list[Part]] = {}  # by the number of the block, and the part
    for name, p in model.named_parameters():
        size = p.numel() * p.element_size()
        kept = size * p.requires_grad
        part = Part(
            "", p.numel(), p.numel() * p.requires_grad, size, kept, kept * (1 if id(p) in once else 2)
        )
        found.setdefault(names.place(name), []).append(part)
    sums = {place: _sum(place[1], parts) for place, parts in found.items()}
    rows = [part for (block, _), part in sums.items() if block == BEFORE]
    for _, group in groupby(names.blocks, lambda block: [sums.get((block, kind)) for kind in KINDS]):
        alike = [*group]
        name = f"block {alike[0]}" if len(alike) == 1 else f"blocks {alike[0]}-{alike[-1]}"
        those = ([sums[block, kind] for block in alike if (block, kind) in sums] for kind in KINDS)
        rows += [_sum(f"{name} {parts[0].name}", parts) for parts in those if parts]
    ends = [part for (block, _), part in sums.items() if block == AFTER]
    return Learned([*rows, *sorted(ends, key=lambda part: (part.name == "LoRA", part.name == "head"))])


def _sum(name: str, parts: Iterable[Part]) -> Part:
    parts = [*parts]
    numbers = (field.name for field in fields(Part)[1:])
    return Part(name, *(sum(getattr(part, number) for part in parts) for number in numbers))


class _Names:
    """The names of a model's parameters, and what they stand for."""

    def __init__(self, model: nn.Module):
        # Tied matrices have two names, and can be chosen by either.
        self.parameters = dict(model.named_parameters(remove_duplicate=False))
        self.start, self.tied = "", False  # what stands before the names of the transformer's own
        self.beside: set[str] = set()
        for name, module in model.named_modules():
            if isinstance(module, Decoder | Encoder):
                self.start = f"{name}." if name else ""
                self.beside = {each for each in self.parameters if not each.startswith(self.start)}
                head = getattr(module, "unembed", None)  # an encoder has none, and a classifier drops it
                self.tied = head is not None and head.weight is module.tokens.weight
                break
        self.lora = {name for name in self.parameters if name.endswith((".lora_A", ".lora_B"))}
        inside = (re.search(r"\bblocks\.(\d+)\.", name) for name in self.parameters)
        self.blocks = sorted({int(found[1]) for found in inside if found})

    def meant_by(self, what: str) -> set[str]:
        """The names of the parameters that one choice means. UserError if it means none."""
        if what == "all":
            return {*self.parameters}
        if what == "head":
            found = self.beside or {*self.parameters} & {f"{self.start}unembed.weight"}
        elif last := LAST.fullmatch(what):
            asked = int(last[1] or 1)
            chosen = self.blocks[-asked:] if 0 < asked <= len(self.blocks) else []
            found = {name for block in chosen for name in self._with(f"blocks.{block}")}
        else:
            found = self._with(what)
        if not found:
            raise UserError(f"learn.what: nothing in this model is {what!r}.{self._instead(what)}")
        return found

    def _with(self, part: str) -> set[str]:
        return {name for name in self.parameters if part and f".{part}." in f".{name}."}

    def _instead(self, what: str) -> str:
        """What may have been meant by something that means nothing."""
        if what == "head":
            return " An encoder has no head: name other parts, such as 'pooler' or 'last 2 blocks'."
        if LAST.fullmatch(what) or re.fullmatch(r"blocks\.\d+", what):
            return f" It has {len(self.blocks)} blocks, blocks.0 to blocks.{self.blocks[-1]}."
        parts: list[str] = []
        for name in self.parameters:
            *words, _ = re.sub(r"^blocks\.\d+\.", "", name.removeprefix(self.start)).split(".")
            parts += [".".join(words[: end + 1]) for end in range(len(words))]
        known = ["all", "head", "last 2 blocks", "blocks", "blocks.0", *dict.fromkeys(parts)]
        return f"{did_you_mean(what, known, FOREIGN)} Known: {', '.join(known)}."

    def place(self, name: str) -> tuple[int, str]:
        """Where a parameter stands in the table: the number of its block, BEFORE or AFTER; and its part."""
        if name in self.lora:
            return AFTER, "LoRA"
        if name in self.beside:
            return AFTER, "head"
        first, *rest = name.removeprefix(self.start).split(".")
        if first == "blocks":
            return int(rest[0]), rest[1] if rest[1] in KINDS else "norms"
        if first in ("tokens", "segments", "embedding_norm"):
            return BEFORE, "embeddings = head" if self.tied else "embeddings"
        if first == "unembed" and not self.beside:
            return AFTER, "head"
        return (BEFORE if first == "positions" else AFTER), first
