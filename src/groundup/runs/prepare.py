"""From a source of texts to what training reads: a tokenizer, and the tokens of both parts."""

import functools
import hashlib
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from groundup.data.building import PARTS, build, preparing_alone
from groundup.data.corpus import corpus_fingerprint, corpus_pieces
from groundup.data.dataset import Dataset
from groundup.data.piece import Piece, Progress, Report, read_pieces
from groundup.data.shards import Shard, open_shards
from groundup.data.split import Parts, by_piece, split_corpus, split_pieces
from groundup.datasets import DATASETS, find_dataset, is_dataset
from groundup.errors import UserError, did_you_mean
from groundup.runs.recipe import DataSettings, Recipe, TokenizerSettings
from groundup.runs.vocabulary import learn_tokenizer, open_tokenizer
from groundup.system.files import cache_folder, check_writable, remove_folder
from groundup.system.progress import View
from groundup.text.tokenizer import Tokenizer

DATASET_TOKENS, DATASET_VALIDATION_TOKENS = 5_000_000, 100_000
"""What is taken of an endless dataset when a recipe does not say."""

LONGEST_SOURCE = 1000
"""Characters of a path; the system refuses even to look at a longer one."""


@dataclass(frozen=True)
class Source:
    """The documents of a dataset, a file or a folder, to be read as often as needed; what identifies them."""

    name: str
    parts: Callable[
        [], Parts
    ]  # where the documents are and which part each belongs to, made when first asked
    fingerprint: Callable[[], str]  # changes with the documents
    whole: Callable[[], list[Piece]] | None = None  # of one's own file or folder: all of it, uncut
    endless: bool = False
    floor: Callable[[str], float] | None = None
    check: Callable[[str, bool], dict[str, object] | None] | None = None  # (text, complete) -> first mistake

    def pieces(self) -> list[Piece]:
        """All of it, in its order."""
        return self.whole() if self.whole else self.parts().pieces

    def to_learn(self, report: Report | None = None) -> Iterator[str]:
        """What a vocabulary is learned from outside of a run: one's own text whole, of a dataset "train"."""
        return read_pieces(self.pieces(), report) if self.whole else self.parts().documents("train", report)

    def to_evaluate(self, report: Report | None = None) -> Iterator[str]:
        """What a model is evaluated on outside of its run: one's own text whole, else the held-out part."""
        whole = self.whole is not None
        return read_pieces(self.pieces(), report) if whole else self.parts().documents("validation", report)


@dataclass(frozen=True)
class Prepared:
    """What training reads."""

    source: Source
    tokenizer: Tokenizer
    train: Shard
    validation: Shard

    def facts(self) -> dict[str, Any]:
        """For run.json: what the data are, in numbers, and the fingerprint that notices a change."""
        return {
            "source": self.source.name,
            "documents": self.train.manifest["n_documents"],
            "bytes": self.train.manifest["n_bytes"],
            "tokens": self.train.manifest["n_tokens"],
            "validation_documents": self.validation.manifest["n_documents"],
            "validation_bytes": self.validation.manifest["n_bytes"],
            "validation_tokens": self.validation.manifest["n_tokens"],
            "validation_documents_also_in_training": self.validation.manifest["n_also_in_training"],
            "vocab_size": self.tokenizer.vocab_size,
            "fingerprint": _digest(self.train.fingerprint, self.validation.fingerprint),
            "folder": str(self.train.folder.parent),
        }


def prepare(recipe: Recipe, view: View, *, known_as: str | None = None) -> Prepared:
    """Find or make the tokenizer and the tokens that a recipe asks for.

    known_as: the name under which a run's data were prepared. UserError if that name no longer fits, before
    hours go into preparing other data than the run has seen.
    """
    source = open_source(recipe.data, recipe.seed, view)
    tokenizer_from = recipe.model.get("from", recipe.tokenizer.source)
    before = source.fingerprint()
    key = _digest(before, repr(recipe.data), repr(recipe.tokenizer), str(tokenizer_from))
    folder = cache_folder() / "prepared" / f"{run_safe(source.name)}-{key[:16]}"
    if known_as not in (None, folder.name):
        raise UserError(
            f"The data of {source.name} changed since the run was started. "
            f"Bring them back, or start over with --restart."
        )
    tokenizer = _tokenizer(recipe.tokenizer, source, folder, view, recipe.model.get("from"))
    tokens = folder / "tokens"
    if all((tokens / part / "manifest.json").is_file() for part in PARTS):
        train, validation = (open_shards(tokens / part, check=True) for part in PARTS)
        if train.manifest["tokenizer"] == tokenizer.fingerprint:
            return Prepared(source, tokenizer, train, validation)
    limits = {
        "train": recipe.data.max_tokens or (DATASET_TOKENS if source.endless else 0),
        "validation": recipe.data.validation_tokens or (DATASET_VALIDATION_TOKENS if source.endless else 0),
    }
    report = Report()
    with view.phase("Writing the tokens") as progress:
        train, validation = build(
            tokens,
            source.parts(),
            tokenizer,
            limits=limits,
            floor=source.floor,
            progress=progress,
            report=report,
        )
    if source.fingerprint() != before:
        remove_folder(folder)  # kept under the name of the old texts, with tokens of others
        raise UserError(
            f"{source.name} changed while its tokens were written. "
            f"Once nobody writes to it any more, the same command prepares it anew."
        )
    tell_left_out(source.name, report, view)
    tell_above(train, recipe.data.max_tokens, "data.max_tokens", view)
    tell_above(validation, recipe.data.validation_tokens, "data.validation_tokens", view)
    prepared = Prepared(source, tokenizer, train, validation)
    tell_duplicates(prepared, view)
    return prepared


def open_source(data: DataSettings, seed: int, view: View) -> Source:
    """The documents of a dataset's name, or of a file or folder. UserError if it is neither.

    Nothing is read or downloaded yet; a download shows its progress on the view.
    """
    by = None if data.split.by == "auto" else data.split.by
    share = data.split.validation
    if is_dataset(data.source):
        dataset = find_dataset(data.source)
        refuse_examples(dataset)

        @functools.cache
        def official() -> Parts:
            """The parts as the dataset has them; one without a validation part is cut by us."""
            pieces = [(part, piece) for part in PARTS if part in dataset.splits
                      for piece in dataset.pieces(part, seed)]  # fmt: skip
            shown = [with_progress(piece, view) for _, piece in pieces]
            if "validation" in dataset.splits:
                return by_piece("source", shown, [part for part, _ in pieces])
            return split_pieces(shown, by=by, validation=share)

        return Source(
            name=data.source,
            parts=official,
            fingerprint=lambda: _digest(
                data.source, str(seed), *(piece.identity() for piece in official().pieces)
            ),
            endless=dataset.endless,
            floor=dataset.floor,
            check=dataset.check,
        )
    refuse_unknown_source(data.source)
    path = Path(data.source).expanduser()
    return Source(
        name=str(path),
        parts=functools.cache(lambda: split_corpus(path, by=by, validation=share, field=data.column)),
        fingerprint=lambda: corpus_fingerprint(path),
        whole=lambda: corpus_pieces(path, field=data.column),
    )


def with_progress(piece: Piece, view: View) -> Piece:
    """The piece, its download (or making) shown as a bar from the first bytes that really have to come."""
    fetch = piece.fetch
    if fetch is None:
        return piece

    def shown(_: Progress | None) -> Path:
        with view.phase_once(f"Fetching {piece.name}") as progress:
            return fetch(progress)

    return replace(piece, fetch=shown)


def refuse_examples(dataset: Dataset) -> None:
    """UserError if a dataset holds examples to be fine-tuned on, where texts are wanted."""
    if dataset.kind != "texts":
        texts = ", ".join(each.name for each in DATASETS.all() if each.kind == "texts")
        raise UserError(
            f"{dataset.name} holds {dataset.kind}, which fine-tuning learns from; here texts are wanted. "
            f"Datasets of texts: {texts}."
        )


def refuse_unknown_source(source: str) -> None:
    """UserError if a source is neither the name of a dataset nor a file or folder of texts."""
    if is_dataset(source):
        return
    path, known = Path(source).expanduser(), ", ".join(DATASETS.names())
    if not source.strip():
        raise UserError(f"The source is empty. Give a file, a folder or the name of a dataset ({known}).")
    if len(source) > LONGEST_SOURCE or not path.exists():
        near = did_you_mean(source[:LONGEST_SOURCE], [*DATASETS.names(), *(str(p) for p in _siblings(path))])
        raise UserError(
            f"There is no {source[:LONGEST_SOURCE]!r}: neither a file or folder, nor a dataset.{near} "
            f"Datasets: {known}."
        )
    if (path / "run.json").is_file():
        raise UserError(
            f"{source} is a run's folder, no text. To go on with it: groundup pretrain {path / 'recipe.toml'}"
        )


def tell_left_out(source: str, report: Report, view: View) -> None:
    """Say how many records are left out because they are no text, and what share that is, with an example."""
    if report.unreadable:
        share = report.unreadable / (report.unreadable + report.documents + report.empty)
        view.say(
            f"{report.unreadable:,} records of {source} are left out ({100 * share:.2g} %). "
            f"{report.first_problem}"
        )


def tell_above(shard: Shard, limit: int, key: str, view: View) -> None:
    """Say when a part has more tokens than were asked for, because its first document alone has more."""
    n_tokens = shard.manifest["n_tokens"]
    if n_tokens > limit > 0:
        view.say(
            f"The {shard.folder.name} part has {n_tokens:,} tokens, not the {limit:,} asked for: its first "
            f"document is that long, and none is cut. Split it into several, or set {key} to 0."
        )


def tell_duplicates(prepared: Prepared, view: View) -> None:
    """Say how many validation documents are in the training part, too: they make the loss look too good."""
    manifest = prepared.validation.manifest
    again = manifest.get("n_also_in_training", 0)
    if again:
        view.say(
            f"{again:,} of {manifest['n_documents']:,} validation documents are in the training part, too, "
            f'word for word: the loss on them says nothing. A split by "hash" keeps equal texts together.'
        )


def run_safe(name: str) -> str:
    """The name of a source as the name of a folder."""
    return "".join(c if c.isalnum() or c in "-_" else "_" for c in Path(name).stem)[:60]


def _tokenizer(
    settings: TokenizerSettings, source: Source, folder: Path, view: View, base: str | None
) -> Tokenizer:
    """The tokenizer that the recipe names (a trained one is kept in the cache), or the base model's own."""
    if base is not None or settings.source != "train":
        return open_tokenizer(settings.source if base is None else base, view)
    kept = folder / "tokenizer"
    if (kept / "tokenizer.json").is_file():
        return Tokenizer.from_folder(kept)
    check_writable(kept)  # before the work
    with preparing_alone(folder):
        train, how = source.parts().train(), {"endless": source.endless, "pattern": settings.pattern}
        tokenizer = learn_tokenizer(train, settings.vocab_size, view, **how)
        tokenizer.save(kept)
    return tokenizer


def _siblings(path: Path) -> Iterator[Path]:
    short = len(str(path)) <= LONGEST_SOURCE
    return path.parent.iterdir() if short and path.parent.is_dir() else iter(())


def _digest(*texts: str) -> str:
    return hashlib.sha256(json.dumps(texts).encode()).hexdigest()
