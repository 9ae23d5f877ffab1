"""Write documents as a shard of tokens: encode them, append them, and describe the finished files."""

import hashlib
import json
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from groundup.data.shards import FORMAT
from groundup.errors import UserError
from groundup.system.files import sha256, write_json
from groundup.text.tokenizer import Tokenizer

CHARACTERS_AT_ONCE = 2_000_000  # encoded together: enough work for a process, little memory
Floor = Callable[[str], float]


@dataclass(frozen=True)
class Encoded:
    """Some documents of one part, ready to be appended."""

    tokens: np.ndarray  # (n_tokens,) each document is its border token, then its ids
    lengths: np.ndarray  # (documents,) int64: tokens of each
    sizes: np.ndarray  # (documents,) int64: UTF-8 bytes of each text
    hashes: np.ndarray  # (documents,) uint64: of each text, so that equal ones are found
    bits: np.ndarray | None  # (documents,) float64: -log2 p of each text, where the source is known

    def first(self, room: int) -> "Encoded":
        """The first documents, as many as hold at most `room` tokens."""
        n = int(np.searchsorted(np.cumsum(self.lengths), room, side="right"))
        bits = None if self.bits is None else self.bits[:n]
        tokens = self.tokens[: self.lengths[:n].sum()]
        return Encoded(tokens, self.lengths[:n], self.sizes[:n], self.hashes[:n], bits)


def encode(texts: Sequence[str], tokenizer: Tokenizer, floor: Floor | None = None) -> Encoded:
    """Encode documents, each with the border token before it, and measure them."""
    border = tokenizer.border_id
    ids = [np.array([border, *each], token_type(tokenizer)) for each in map(tokenizer.encode, texts)]
    raw = [text.encode("utf-8") for text in texts]
    return Encoded(
        np.concatenate(ids) if ids else np.zeros(0, token_type(tokenizer)),
        np.array([len(each) for each in ids], "<i8"),
        np.array([len(each) for each in raw], "<i8"),
        np.array([int.from_bytes(hashlib.sha256(each).digest()[:8], "little") for each in raw], "<u8"),
        None if floor is None else np.array([floor(text) for text in texts], "<f8"),
    )


def token_type(tokenizer: Tokenizer) -> np.dtype:
    """Two bytes a token where that is enough, else four."""
    return np.dtype("<u2" if tokenizer.vocab_size <= 2**16 else "<u4")


class Writer:
    """Appends encoded documents to the files of a shard that is not finished yet.

    What was appended counts once it is committed: opened anew with an earlier commit's counts, the writer
    cuts off everything after it.
    """

    def __init__(self, folder: Path, counts: dict[str, int] | None = None):
        self.folder = folder
        self.full = bool(counts and counts["full"])  # has all the tokens that it may have
        self.n_tokens, self.n_documents, self.n_bytes = (
            counts[f"n_{name}"] if counts else 0 for name in COUNTED
        )
        folder.mkdir(parents=True, exist_ok=True)
        self._files = {name: open(folder / f"{name}.bin", "ab") for name in FILES}
        for name, file in self._files.items():
            wanted = counts[f"{name}_bytes"] if counts else 0
            if file.seek(0, os.SEEK_END) < wanted:
                raise UserError(
                    f"{file.name} is shorter than it was. Delete {folder.parent} and start again."
                )
            file.truncate(wanted)

    def append(self, part: Encoded) -> None:
        """Add documents at the end."""
        ends = self.n_tokens + np.cumsum(part.lengths)
        self._files["tokens"].write(part.tokens.tobytes())
        self._files["starts"].write((ends - part.lengths).astype("<i8").tobytes())
        self._files["document_bytes"].write(part.sizes.tobytes())
        self._files["hashes"].write(part.hashes.tobytes())
        if part.bits is not None:
            self._files["floor_bits"].write(part.bits.tobytes())
        self.n_documents += len(part.lengths)
        self.n_tokens += len(part.tokens)
        self.n_bytes += int(part.sizes.sum())

    def commit(self) -> dict[str, int]:
        """Put everything on the disk; the counts from which a later writer can go on."""
        for file in self._files.values():
            file.flush()
            os.fsync(file.fileno())
        lengths = {f"{name}_bytes": file.seek(0, os.SEEK_END) for name, file in self._files.items()}
        return {**self.counts, **lengths, "full": self.full}

    @property
    def counts(self) -> dict[str, int]:
        """How much there is, by the names of the manifest."""
        return {f"n_{name}": getattr(self, f"n_{name}") for name in COUNTED}

    def close(self) -> None:
        """Let go of the files; what was not committed may be lost."""
        for file in self._files.values():
            file.close()

    def finish(self, tokenizer: Tokenizer, about: dict[str, Any] | None = None) -> None:
        """Close the files and describe them in manifest.json, with `about` beside the figures."""
        self._files["starts"].write(np.array([self.n_tokens], "<i8").tobytes())
        self.commit()
        self.close()
        kept = [self.folder / f"{name}.bin" for name in FILES if name != "hashes"]
        manifest = {
            "format": FORMAT,
            **self.counts,
            "dtype": token_type(tokenizer).name,
            "vocab_size": tokenizer.vocab_size,
            "tokenizer": tokenizer.fingerprint,
            **(about or {}),
            "files": {file.name: sha256(file) for file in sorted(kept) if file.stat().st_size},
        }
        write_json(self.folder / "manifest.json", manifest)


COUNTED = ("tokens", "documents", "bytes")
FILES = ("tokens", "starts", "document_bytes", "hashes", "floor_bits")


def tidy(folder: Path) -> None:
    """Remove what only writing needed: the hashes, and the file of floors where nobody knows them."""
    named = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))["files"]
    for file in folder.glob("*.bin"):
        if file.name not in named:
            file.unlink()


def append_limited(writer: Writer, part: Encoded, max_tokens: int) -> None:
    """Append as many documents as the limit allows (0: all), at least the first; say if it is reached."""
    if writer.full:
        return
    if max_tokens and writer.n_tokens + len(part.tokens) > max_tokens:
        least = int(part.lengths[0]) if not writer.n_documents else 0
        part = part.first(max(max_tokens - writer.n_tokens, least))
        writer.full = True
    writer.append(part)
