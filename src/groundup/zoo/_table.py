"""Names of tensors, ours and theirs, in one table that is read in both directions."""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from groundup.errors import UserError

EMBEDDING, UNEMBEDDING = "tokens.weight", "unembed.weight"


@dataclass(frozen=True)
class Rule:
    """One of their modules and the module, or the modules stacked in it, of ours; {i} stands for the layer.

    transposed: they keep the weight as (in, out), as GPT-2 does, where ours is (out, in).
    """

    ours: tuple[str, ...]
    theirs: str
    transposed: bool = False

    def __init__(self, ours: str | tuple[str, ...], theirs: str, transposed: bool = False):
        object.__setattr__(self, "ours", (ours,) if isinstance(ours, str) else ours)
        object.__setattr__(self, "theirs", theirs)
        object.__setattr__(self, "transposed", transposed)


class Pushed(Mapping[str, Tensor]):
    """Tensors in another form. What must be stacked or turned for it is made when asked for, and not kept.

    So a model is written without a second copy of it in memory.
    """

    def __init__(self, made_of: Mapping[str, tuple[list[Tensor], bool]]):
        self._made_of = made_of  # the parts to stack, and whether the whole is then turned on its side

    def __getitem__(self, name: str) -> Tensor:
        parts, turned = self._made_of[name]
        whole = parts[0] if len(parts) == 1 else torch.cat(parts)
        return (whole.t() if turned else whole).contiguous()

    def __iter__(self) -> Iterator[str]:
        return iter(self._made_of)

    def __len__(self) -> int:
        return len(self._made_of)

    def outline(self) -> dict[str, Tensor]:
        """The same without any numbers: shapes and dtypes alone, on PyTorch's device "meta"."""
        found = {}
        for name, (parts, turned) in self._made_of.items():
            shape = (sum(map(len, parts)), *parts[0].shape[1:])  # stacking there costs 70 MB of imports
            found[name] = torch.empty(shape[::-1] if turned else shape, dtype=parts[0].dtype, device="meta")
        return found


@dataclass(frozen=True)
class NameTable:
    """All rules of a family, with the prefix that their files may carry and the names that mean nothing."""

    rules: tuple[Rule, ...]
    prefix: str = ""  # "transformer." or "model.": written, and not missed when a file lacks it
    unprefixed: tuple[str, ...] = (  # their names that never carry the prefix
        "lm_head.",
        "score.",
        "classifier.",
    )
    ignored: tuple[str, ...] = ()  # regular expressions of buffers that older files hold
    aliases: tuple[tuple[str, str], ...] = ()  # ends of names in older files, and what stands there today
    optional: tuple[str, ...] = ()  # our modules that some files lack: the model then does without

    def push(self, model: nn.Module, *, tied: bool) -> "Pushed":
        """Our parameters under their names and in their form. Tied embeddings are written once."""
        ours = dict(model.named_parameters(remove_duplicate=False))
        made_of = {}
        for names, their_name, transposed in self._pairs(ours):
            if not (tied and names == (UNEMBEDDING,)):
                made_of[their_name] = [ours[name].detach() for name in names], transposed
        return Pushed(made_of)

    def pull(self, model: nn.Module, tensors: Mapping[str, Tensor], *, tied: bool) -> None:
        """Copy their tensors into our parameters. UserError for missing, left-over or misshapen ones.

        Of the `optional` modules, those that the file does not have become None.
        """
        found = self.known(tensors)
        for rule in self.rules:
            for module in set(rule.ours) & set(self.optional):
                if not any(name.startswith(f"{rule.theirs}.") for name in found):
                    setattr(model, module, None)
        ours = dict(model.named_parameters(remove_duplicate=False))
        for names, their_name, transposed in self._pairs(ours):
            if their_name not in found:
                if tied and names == (UNEMBEDDING,):
                    continue
                raise UserError(
                    f"The weights lack {their_name!r}. The file is incomplete or of another family."
                )
            whole = tensors[found.pop(their_name)]
            parts = [ours[name] for name in names]
            wanted = (sum(len(part) for part in parts), *parts[0].shape[1:])
            theirs = wanted[::-1] if transposed else wanted
            if tuple(whole.shape) != theirs:
                raise UserError(
                    f"{their_name!r} has shape {tuple(whole.shape)}, but config.json asks for {theirs}. "
                    f"The weights and config.json belong to different models."
                )
            whole = whole.t() if transposed else whole
            if tied and names == (UNEMBEDDING,):
                self._check_tied(ours[EMBEDDING], whole, their_name)
                continue
            with torch.no_grad():
                for part, piece in zip(parts, whole.split([len(part) for part in parts]), strict=True):
                    part.copy_(piece)
        if found:
            some = ", ".join(sorted(found.values())[:5])
            raise UserError(f"The weights hold {len(found)} tensors that this family does not have: {some}.")

    def known(self, names: Iterable[str]) -> dict[str, str]:
        """Names in a file by what they are called today, with the prefix; without those that mean nothing."""
        return {self._full_name(name): name for name in names if not self._is_ignored(name)}

    def modules(self, ours: Iterable[str]) -> Iterator[tuple[tuple[str, ...], str, bool]]:
        """(our modules, their module that holds them, transposed) for modules of ours that have a weight."""
        for group, theirs, transposed in self._pairs(f"{module}.weight" for module in ours):
            yield tuple(name.removesuffix(".weight") for name in group), theirs[: -len(".weight")], transposed

    def _pairs(self, ours: Iterable[str]) -> Iterator[tuple[tuple[str, ...], str, bool]]:
        """(our names, their name, transposed) for every parameter; each of ours must have a rule."""
        left = dict.fromkeys(ours)
        while left:
            name = next(iter(left))
            module, _, leaf = name.rpartition(".")
            layer = (re.search(r"\.(\d+)\.", module + ".") or ["", ""])[1]
            general = re.sub(r"\.\d+\.", ".{i}.", module + ".")[:-1]
            rule = next((rule for rule in self.rules if general in rule.ours), None)
            assert rule is not None, f"no rule for our {name}"
            group = tuple(f"{part.format(i=layer)}.{leaf}" for part in rule.ours)
            for member in group:
                assert member in left, f"{member} is missing beside {name}"
                del left[member]
            their_name = self._full_name(f"{rule.theirs.format(i=layer)}.{leaf}")
            yield group, their_name, rule.transposed and leaf == "weight"

    def _full_name(self, name: str) -> str:
        for old, new in self.aliases:
            if name.endswith(old):
                name = name.removesuffix(old) + new
        if not self.prefix or name.startswith((self.prefix, *self.unprefixed)):
            return name
        return self.prefix + name

    def _is_ignored(self, name: str) -> bool:
        return any(re.fullmatch(pattern, name) for pattern in self.ignored)

    @staticmethod
    def _check_tied(ours: Tensor, theirs: Tensor, name: str) -> None:
        if not torch.equal(ours, theirs.to(ours)):
            raise UserError(
                f"config.json says that the embeddings are tied, but {name!r} differs from the embedding. "
                f"Set tie_word_embeddings to false in config.json if that is meant."
            )
