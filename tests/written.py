"""A shard written as simply as can be, to be read, and to be compared with what `build` writes."""

from collections.abc import Iterable
from pathlib import Path

from groundup.data.shards import Shard, open_shards
from groundup.data.writing import Floor, Writer, append_limited, encode, tidy
from groundup.text.tokenizer import Tokenizer


def write_shard(
    folder: Path,
    documents: Iterable[str],
    tokenizer: Tokenizer,
    *,
    max_tokens: int = 0,
    floor: Floor | None = None,
) -> Shard:
    """The documents in a shard, one after the other; at most so many tokens of them (0: all)."""
    writer = Writer(folder)
    for text in documents:
        append_limited(writer, encode([text], tokenizer, floor), max_tokens)
    writer.finish(tokenizer)
    tidy(folder)
    return open_shards(folder)
