"""Documents as tokens on disk: one long row, read as a memory map, with the place of each document.

A shard is a folder of plain little-endian arrays (tokens.bin, starts.bin, document_bytes.bin and, where the
best possible loss is known, floor_bits.bin) and manifest.json, which says how to read them and holds their
sha256.
"""

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from groundup.errors import UserError
from groundup.system.files import known_sha256

FORMAT = "groundup tokens 1"
AGAIN = "Delete the folder and prepare the data again."


@dataclass(frozen=True)
class Shard:
    """Tokens of many documents. Each document is its border token, then its ids."""

    folder: Path
    manifest: dict[str, Any]  # n_tokens, n_documents, n_bytes, dtype, vocab_size, tokenizer, format, files
    tokens: np.ndarray  # (n_tokens,) uint16, or uint32 for a vocabulary above 65,536: a memory map
    starts: np.ndarray  # (n_documents + 1,) int64: where each document starts; the last is n_tokens
    document_bytes: np.ndarray  # (n_documents,) int64: UTF-8 bytes of each document's text
    floor_bits: np.ndarray | None  # (n_documents,) float64: -log2 p of each text, where the source is known

    def document(self, index: int) -> np.ndarray:
        """The ids of one document, the border token first."""
        return self.tokens[self.starts[index] : self.starts[index + 1]]

    @property
    def fingerprint(self) -> str:
        """Changes when any token, document border or the tokenizer changes."""
        return hashlib.sha256(json.dumps(self.manifest, sort_keys=True).encode()).hexdigest()


def open_shards(folder: Path | str, *, check: bool = False) -> Shard:
    """Open a shard. UserError naming the file that is missing, foreign or cut off.

    `check=True` also compares each file's bytes with the sha256 of the manifest; large files that were
    checked before are read again only if they changed since.
    """
    folder = Path(folder)
    manifest = _read_manifest(folder)
    n_documents = manifest["n_documents"]
    tokens = _open(folder, "tokens.bin", np.dtype(manifest["dtype"]).newbyteorder("<"), manifest["n_tokens"])
    starts = _open(folder, "starts.bin", np.dtype("<i8"), n_documents + 1)
    sizes = _open(folder, "document_bytes.bin", np.dtype("<i8"), n_documents)
    bits = None
    if "floor_bits.bin" in manifest["files"]:
        bits = _open(folder, "floor_bits.bin", np.dtype("<f8"), n_documents)
    if check:
        for name, expected in manifest["files"].items():
            if not (folder / name).is_file():
                raise UserError(f"{folder / name} is missing, which manifest.json names. {AGAIN}")
            if known_sha256(folder / name) != expected:
                raise UserError(f"{folder / name} is corrupt: its sha256 is not {expected}. {AGAIN}")
    return Shard(folder, manifest, tokens, starts, sizes, bits)


def _read_manifest(folder: Path) -> dict[str, Any]:
    path = folder / "manifest.json"
    try:
        manifest = json.loads(path.read_text(encoding="utf-8"))
        if manifest["format"] != FORMAT:
            raise ValueError(f"its format is {manifest['format']!r}, expected {FORMAT!r}")
        np.dtype(manifest["dtype"])
        int(manifest["n_tokens"]), int(manifest["n_documents"]), dict(manifest["files"])
    except FileNotFoundError as error:
        raise UserError(f"There are no prepared tokens in {folder} (no manifest.json). {AGAIN}") from error
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise UserError(f"{path} does not describe prepared tokens: {error!r}. {AGAIN}") from error
    return manifest


def _open(folder: Path, name: str, dtype: np.dtype, length: int) -> np.ndarray:
    """One array of the shard as a read-only memory map, its size compared with the manifest's."""
    path = folder / name
    if not path.exists():
        raise UserError(f"{path} is missing. {AGAIN}")
    size, expected = path.stat().st_size, length * dtype.itemsize
    if size != expected:
        raise UserError(f"{path} has {size:,} bytes, expected {expected:,}. {AGAIN}")
    return np.memmap(path, dtype=dtype, mode="r", shape=(length,))
