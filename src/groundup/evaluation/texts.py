"""The texts of an evaluation as token ids, with what relates a loss to bytes and to the floor."""

from collections.abc import Callable, Iterable
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

    @classmethod
    def from_strings(
        cls, tokenizer: Tokenizer, documents: Iterable[str], floor: Callable[[str], float] | None = None
    ) -> "Texts":
        """Encode documents. `floor` gives the bits of a text where its source is known."""
        documents = list(documents)
        if not any(documents):
            raise UserError("There is no text to evaluate. Give a file with at least one document.")
        border = tokenizer.border_id
        ids = [
            np.array([border, *each, border], dtype=np.int64) for each in tokenizer.encode_batch(documents)
        ]
        n_bytes = np.array([len(text.encode()) for text in documents])
        return cls(ids, n_bytes, None if floor is None else np.array([floor(text) for text in documents]))

    @classmethod
    def from_shard(cls, shard: Shard, tokenizer: Tokenizer, max_tokens: int = 0) -> "Texts":
        """The first documents of a shard, as many as hold max_tokens (0: all). A longer first one is cut.

        A cut text has no known floor: that of the whole says nothing about the part.
        """
        if max_tokens and max_tokens < 2:
            raise UserError(f"{max_tokens} tokens are too few to score. Ask for at least 2, or for 0: all.")
        ids: list[np.ndarray] = []
        room = max_tokens or len(shard.tokens)
        is_cut = len(shard.document(0)) > room
        for i in range(len(shard.starts) - 1):
            document = np.asarray(shard.document(i), dtype=np.int64)
            if len(document) > room and ids:
                break
            ids.append(np.append(document, tokenizer.border_id) if len(document) <= room else document[:room])
            room -= len(document)
        n_bytes = np.array(shard.document_bytes[: len(ids)])
        floor_bits = None if shard.floor_bits is None else np.array(shard.floor_bits[: len(ids)])
        if is_cut:
            n_bytes, floor_bits = np.array([len(tokenizer.decode_bytes(ids[0][1:].tolist()))]), None
        return cls(ids, n_bytes, floor_bits)
