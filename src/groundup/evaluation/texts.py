"""The texts of an evaluation as token ids, with what relates a loss to bytes and to the floor."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from groundup.data.shards import Shard
from groundup.errors import UserError
from groundup.text.tokenizer import Tokenizer


@dataclass(frozen=True)
class Texts:
    """Documents to be scored. Each begins with the border; a whole one ends with the next, which counts."""

    ids: list[np.ndarray]
    n_bytes: np.ndarray  # (documents,) UTF-8 bytes of the text
    floor_bits: np.ndarray | None = None  # (documents,) -log2 p of the text, where its source is known
    source: str = "given texts"  # what they are: a dataset's name or a path

    @classmethod
    def from_strings(
        cls,
        tokenizer: Tokenizer,
        documents: Iterable[str],
        floor: Callable[[str], float] | None = None,
        *,
        max_tokens: int = 0,
        source: str = "given texts",
    ) -> "Texts":
        """Encode documents, as many as hold max_tokens (0: all). `floor` gives the bits of a text."""
        taken, encoded, tokens = [], [], 0
        for text in documents:
            encoded.append(tokenizer.encode(text))
            taken.append(text)
            tokens += len(encoded[-1]) + 1
            if max_tokens and tokens >= max_tokens:
                break
        if not any(taken):
            raise UserError("There is no text to evaluate. Give a file with at least one document.")
        ids = [np.array([tokenizer.border_id, *each], dtype=np.int64) for each in encoded]
        n_bytes = [len(text.encode()) for text in taken]
        floor_bits = None if floor is None else [floor(text) for text in taken]
        return cls._fitting(tokenizer, ids, n_bytes, floor_bits, max_tokens or tokens, source)

    def text(self, tokenizer: Tokenizer, number: int) -> str:
        """The text of one document, without its borders."""
        ids = self.ids[number][1:]
        return tokenizer.decode((ids[:-1] if ids[-1] == tokenizer.border_id else ids).tolist())

    @classmethod
    def from_shard(
        cls, shard: Shard, tokenizer: Tokenizer, max_tokens: int = 0, *, source: str = "validation part"
    ) -> "Texts":
        """The first documents of a shard, as many as hold max_tokens (0: all).

        UserError if another tokenizer wrote it: its ids would mean other texts.
        """
        if shard.manifest["tokenizer"] != tokenizer.fingerprint:
            own, other = f"{tokenizer.vocab_size:,} tokens", f"{shard.manifest['vocab_size']:,} tokens"
            raise UserError(
                f"{shard.folder} was made by another tokenizer ({other}) than the model's ({own}). "
                f"Give the texts themselves instead."
            )
        room, ids = max_tokens or len(shard.tokens), []
        for i in range(len(shard.starts) - 1):
            if ids and shard.starts[i] >= room:
                break
            ids.append(np.asarray(shard.document(i), dtype=np.int64))
        return cls._fitting(tokenizer, ids, shard.document_bytes, shard.floor_bits, room, source)

    @classmethod
    def _fitting(
        cls,
        tokenizer: Tokenizer,
        documents: Sequence[np.ndarray],
        n_bytes: Sequence[int] | np.ndarray,
        floor_bits: Sequence[float] | np.ndarray | None,
        room: int,
        source: str,
    ) -> "Texts":
        """The documents (border first) that fit into `room` tokens, closed by a border; a longer one is cut.

        A cut text has no known floor: that of the whole says nothing about the part.
        """
        if room < 2:
            raise UserError(f"{room} tokens are too few to score. Ask for at least 2, or for 0: all.")
        if len(documents[0]) > room:
            cut = documents[0][:room]
            return cls([cut], np.array([len(tokenizer.decode_bytes(cut[1:].tolist()))]), None, source)
        ids: list[np.ndarray] = []
        for document in documents:
            if len(document) > room:
                break
            ids.append(np.append(document, tokenizer.border_id))
            room -= len(document)
        known = None if floor_bits is None else np.array(floor_bits[: len(ids)])
        return cls(ids, np.array(n_bytes[: len(ids)]), known, source)
