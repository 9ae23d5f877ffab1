"""tiktoken as a fast path: used only where it is certain to give the ids that tokenizer.json gives."""

import json
import sys
from typing import Any

import tiktoken
import tokenizers

from groundup.text.alphabet import ALPHABET, from_alphabet
from groundup.text.patterns import GPT2, PATTERNS

LONG_RUN = 5_000  # characters
UNKNOWN = sys.maxsize  # above every id


def has_long_run(text: str) -> bool:
    """Whether there may be so many characters without a space, or spaces alone, that tiktoken takes minutes.

    Its time grows with the square of a piece's length, that of the library does not. A run of twice LONG_RUN
    fills a whole chunk, and most chunks are told by their first word.
    """
    starts = range(0, len(text) - LONG_RUN + 1, LONG_RUN)
    return any(len(text[start : start + LONG_RUN].split(None, 1)) < 2 for start in starts)


def fast_encoder(library: tokenizers.Tokenizer) -> tiktoken.Encoding | None:
    """A tiktoken encoder with the same ids, or None where that is not certain."""
    description = json.loads(library.to_str())
    pattern, plain = _split_pattern(description), _plain_bpe(description)
    if pattern is None or plain is None or not same_ids(*plain):
        return None
    ids, merges = plain
    ranks = {from_alphabet(token): ids[token] for token in ALPHABET}
    ranks |= {from_alphabet(left + right): ids[left + right] for left, right in merges}
    return tiktoken.Encoding("groundup", pat_str=pattern, mergeable_ranks=ranks, special_tokens={})


def _split_pattern(description: dict[str, Any]) -> str | None:
    """How tiktoken cuts the same pieces, if nothing else is done to the text before the merges."""
    if description["normalizer"] is not None:
        return None
    if any(not token["special"] for token in description["added_tokens"]):
        return None  # these are found in the text before it is split
    step = description["pre_tokenizer"] or {}
    *before, last = step["pretokenizers"] if step.get("type") == "Sequence" else [step]
    if last.get("type") != "ByteLevel" or last["add_prefix_space"]:
        return None
    if last["use_regex"]:
        return None if before else GPT2.fast
    for pattern in PATTERNS.values():
        split = {"type": "Split", "pattern": {"Regex": pattern.piece.pattern}}
        if before == [{**split, "behavior": "Isolated", "invert": False}]:
            return pattern.fast
    return None


def _plain_bpe(description: dict[str, Any]) -> tuple[dict[str, int], list[tuple[str, str]]] | None:
    """Ids and merges, if the model is a byte-level BPE without any extras."""
    model = description["model"]
    extras = ("dropout", "continuing_subword_prefix", "end_of_word_suffix", "byte_fallback", "ignore_merges")
    if model["type"] != "BPE" or any(model.get(extra) for extra in extras):
        return None
    ids: dict[str, int] = model["vocab"]
    if not all(token in ids for token in ALPHABET):
        return None
    # Older versions of the library wrote a merge as "a b", today's write ["a", "b"].
    pairs = (merge.split(" ") if isinstance(merge, str) else merge for merge in model["merges"])
    return ids, [(left, right) for left, right in pairs]


def same_ids(ids: dict[str, int], merges: list[tuple[str, str]]) -> bool:
    """Whether taking the lowest *id* (tiktoken) always joins what taking the earliest *merge* joins.

    tiktoken joins any two neighbours whose union is a token; the merge list names the two. Both do the same
    if the ids rise along the list, and if each token, encoded on its own without itself, ends as its own two
    parts: wherever two neighbours are about to become that token, nothing has reached over their outer
    borders before, so they came about as if alone.
    """
    joined = {left + right: ids[left + right] for left, right in merges}
    last_id = -1
    for left, right in merges:
        token = left + right
        if joined[token] <= last_id:
            return False
        last_id = joined[token]
        parts = list(token)
        while len(parts) > 2:
            unions = [joined.get(a + b, UNKNOWN) for a, b in zip(parts, parts[1:], strict=False)]
            best = min(range(len(unions)), key=unions.__getitem__)
            if unions[best] == UNKNOWN:
                return False
            parts[best : best + 2] = [parts[best] + parts[best + 1]]
        if tuple(parts) != (left, right):
            return False
    return True
