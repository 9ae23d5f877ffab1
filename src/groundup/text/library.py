"""Read and build the objects of Hugging Face's `tokenizers`; one line for each thing that can be wrong."""

import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers

from groundup.errors import UserError


def byte_level_bpe(
    ids: Mapping[str, int], merges: Sequence[tuple[str, str]], special_tokens: Iterable[str]
) -> Tokenizer:
    """GPT-2's kind of tokenizer: its split pattern, bytes as printable characters, merges, and back.

    `ids` also has the special tokens. ValueError if a merge names a token that has no id.
    """
    try:
        model = models.BPE(vocab=dict(ids), merges=list(merges))
    except Exception as error:  # the library raises no narrower kind
        raise ValueError(str(error)) from error
    library = Tokenizer(model)
    library.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)  # type: ignore[assignment]
    library.decoder = decoders.ByteLevel()  # type: ignore[assignment]
    library.add_special_tokens(
        [AddedToken(token, normalized=False, special=True) for token in special_tokens]
    )
    return library


def read_gpt2_files(vocab_bpe: Path, encoder_json: Path, special_token: str) -> Tokenizer:
    """GPT-2's two files: the merges (vocab.bpe or merges.txt) and the ids (encoder.json or vocab.json)."""
    ids = read_json(encoder_json)
    try:
        lines = vocab_bpe.read_text(encoding="utf-8").split("\n")
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"Could not read {vocab_bpe}: {error}. Download it again.") from error
    merges = []
    for number, line in enumerate(lines, 1):
        if not line or line.startswith("#version"):
            continue
        left, _, right = line.partition(" ")
        if not left or not right or " " in right:
            raise UserError(
                f"Line {number} of {vocab_bpe} is {line[:40]!r}; expected two tokens. Download it again."
            )
        merges.append((left, right))
    try:
        return byte_level_bpe(ids, merges, [special_token] if special_token in ids else [])
    except (ValueError, TypeError) as error:
        raise UserError(
            f"{vocab_bpe} and {encoder_json} do not belong together: {error}. Download both again."
        ) from error


def read_tokenizer_json(path: Path) -> Tokenizer:
    """A tokenizer.json, whatever its kind."""
    if not path.exists():
        raise UserError(f"There is no file {path}. Give the path of a tokenizer.json.")
    try:
        return Tokenizer.from_file(str(path))
    except Exception as error:  # the library raises no narrower kind
        raise UserError(
            f"{path} is no proper tokenizer.json: {error}. Delete it, or get it again."
        ) from error


def read_json(path: Path) -> dict[str, Any]:
    """A JSON file that holds an object."""
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise UserError(f"Could not read {path}: {error}. Delete it, or get it again.") from error
    if not isinstance(value, dict):
        raise UserError(f"{path} holds no JSON object. Delete it, or get it again.")
    return value
