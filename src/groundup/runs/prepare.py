"""From a source of texts to what training reads: a tokenizer, and the tokens of both parts."""

import functools
import hashlib
import itertools
import json
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from groundup.data.corpus import corpus_fingerprint, examine, read_documents
from groundup.data.shards import Shard, open_shards, write_shards
from groundup.data.split import Parts, split_corpus
from groundup.datasets import DATASETS
from groundup.errors import UserError, did_you_mean
from groundup.runs.recipe import DataSettings, Recipe, TokenizerSettings
from groundup.system.files import cache_folder
from groundup.system.progress import View
from groundup.text.bpe import train_bpe
from groundup.text.tokenizer import Tokenizer
from groundup.weights.folder import model_folder

TOKENIZER_BYTES, ENDLESS_TOKENIZER_BYTES = 30_000_000, 3_000_000
"""Text that a tokenizer learns from; more changes hardly a merge. An endless source is more uniform."""

DATASET_TOKENS, DATASET_VALIDATION_TOKENS = 5_000_000, 100_000
"""What is taken of an endless dataset when a recipe does not say."""

LONGEST_SOURCE = 1000
"""Characters of a path; the system refuses even to look at a longer one."""


@dataclass(frozen=True)
class Source:
    """The documents of both parts, to be read as often as needed, and what identifies them."""

    name: str
    train: Callable[[], Iterator[str]]
    validation: Callable[[], Iterator[str]]
    whole: Callable[[], Iterator[str]]  # all, uncut; of an endless source, the validation part alone
    fingerprint: str
    endless: bool = False
    floor: Callable[[str], float] | None = None
    check: Callable[[str, bool], dict[str, object] | None] | None = None  # (text, complete) -> first mistake


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
            "vocab_size": self.tokenizer.vocab_size,
            "fingerprint": _digest(self.train.fingerprint, self.validation.fingerprint),
            "folder": str(self.train.folder.parent),
        }


def prepare(recipe: Recipe, view: View) -> Prepared:
    """Find or make the tokenizer and the tokens that a recipe asks for."""
    source = open_source(recipe.data, recipe.seed)
    tokenizer_from = recipe.model.get("from", recipe.tokenizer.source)
    key = _digest(source.fingerprint, repr(recipe.data), repr(recipe.tokenizer), str(tokenizer_from))
    folder = cache_folder() / "prepared" / f"{Path(source.name).stem}-{key[:16]}"
    tokenizer = _tokenizer(recipe.tokenizer, source, folder, view, recipe.model.get("from"))
    if not (folder / "train" / "manifest.json").is_file():
        tell_unreadable(recipe.data.source, view)
    train_tokens = recipe.data.max_tokens or (DATASET_TOKENS if source.endless else 0)
    validation_tokens = recipe.data.validation_tokens or (DATASET_VALIDATION_TOKENS if source.endless else 0)
    train = _shard(folder / "train", source.train, tokenizer, train_tokens, None, view)
    validation = _shard(
        folder / "validation", source.validation, tokenizer, validation_tokens, source.floor, view
    )
    return Prepared(source, tokenizer, train, validation)


def open_source(data: DataSettings, seed: int) -> Source:
    """The documents of a dataset's name, or of a file or folder. UserError if it is neither."""
    path = Path(data.source).expanduser()
    if data.source in DATASETS.names():
        dataset = DATASETS.get(data.source)
        first = itertools.islice(dataset.documents("train", seed), 20)
        whole = ("validation",) if dataset.endless else dataset.splits
        return Source(
            name=dataset.name,
            train=lambda: dataset.documents("train", seed),
            validation=lambda: dataset.documents("validation", seed),
            whole=lambda: itertools.chain.from_iterable(dataset.documents(split, seed) for split in whole),
            fingerprint=_digest(dataset.name, str(seed), *first),
            endless=dataset.endless,
            floor=dataset.floor,
            check=dataset.check,
        )
    refuse_unknown_source(data.source)

    @functools.cache
    def parts() -> Parts:
        """The two parts, cut when first asked for: what reads the whole needs no cut."""
        by = None if data.split.by == "auto" else data.split.by
        return split_corpus(path, by=by, validation=data.split.validation)

    return Source(
        name=str(path),
        train=lambda: parts().train(),
        validation=lambda: parts().validation(),
        whole=lambda: read_documents(path),
        fingerprint=corpus_fingerprint(path),
    )


def refuse_unknown_source(source: str) -> None:
    """UserError if a source is neither the name of a dataset nor a file or folder of texts."""
    if source in DATASETS.names():
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


def tell_unreadable(source: str, view: View) -> None:
    """Say how many records of a file or folder are left out because they are no text, with an example."""
    if source in DATASETS.names():
        return
    report = examine(Path(source).expanduser())
    if report.unreadable:
        view.say(f"{report.unreadable:,} records of {source} are left out. {report.first_problem}")


def _tokenizer(
    settings: TokenizerSettings, source: Source, folder: Path, view: View, base: str | None
) -> Tokenizer:
    """The tokenizer that the recipe names (a trained one is kept in the cache), or the base model's own."""
    if base is not None:
        return open_tokenizer(Path(base))
    if settings.source == "bytes":
        return Tokenizer.from_bytes()
    if settings.source != "train":
        return open_tokenizer(Path(settings.source).expanduser())
    kept = folder / "tokenizer"
    if (kept / "tokenizer.json").is_file():
        return Tokenizer.from_folder(kept)
    tokenizer = learn_tokenizer(source.train(), settings.vocab_size, view, endless=source.endless)
    tokenizer.save(kept)
    return tokenizer


def learn_tokenizer(documents: Iterable[str], vocab_size: int, view: View, *, endless: bool) -> Tokenizer:
    """A vocabulary from as much of the documents as it takes; fewer tokens than asked for are told."""
    texts = first_bytes(documents, ENDLESS_TOKENIZER_BYTES if endless else TOKENIZER_BYTES)
    with view.phase(f"Learning a vocabulary of {vocab_size:,} tokens") as progress:
        tokenizer = train_bpe(texts, vocab_size, progress=progress)
    if tokenizer.vocab_size < vocab_size:
        view.say(f"The text yields {tokenizer.vocab_size:,} tokens: each of its words has become one.")
    return tokenizer


def open_tokenizer(where: Path) -> Tokenizer:
    """The tokenizer of a folder, of a model or of a run."""
    if (where / "tokenizer.json").is_file() or (where / "vocab.json").is_file():
        return Tokenizer.from_folder(where)
    return Tokenizer.from_folder(model_folder(where))


def _shard(
    folder: Path,
    documents: Callable[[], Iterator[str]],
    tokenizer: Tokenizer,
    max_tokens: int,
    floor: Callable[[str], float] | None,
    view: View,
) -> Shard:
    """The tokens of one part, from the cache if they are there and of this tokenizer."""
    if (folder / "manifest.json").is_file():
        shard = open_shards(folder)
        if shard.manifest["tokenizer"] == tokenizer.fingerprint:
            return shard
    with view.phase(f"Writing the {folder.name} tokens") as progress:
        return write_shards(
            folder, documents(), tokenizer, max_tokens=max_tokens, floor=floor, progress=progress
        )


def first_bytes(texts: Iterable[str], limit: int) -> Iterator[str]:
    """The first documents, until they hold about `limit` bytes."""
    for text in texts:
        yield text
        limit -= len(text.encode())
        if limit <= 0:
            return


def _siblings(path: Path) -> Iterator[Path]:
    short = len(str(path)) <= LONGEST_SOURCE
    return path.parent.iterdir() if short and path.parent.is_dir() else iter(())


def _digest(*texts: str) -> str:
    return hashlib.sha256(json.dumps(texts).encode()).hexdigest()
