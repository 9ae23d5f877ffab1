"""tiktoken as a fast path: used only where it is certain to give the ids that tokenizer.json gives."""

import json
from typing import Any

import tiktoken
import tokenizers

from groundup.text.alphabet import ALPHABET, from_alphabet

# GPT-2's split pattern, written without back-tracking: the same pieces, in half the time.
GPT2_SPLIT = r"'(?:[sdmt]|ll|ve|re)| ?\p{L}++| ?\p{N}++| ?[^\s\p{L}\p{N}]++|\s++$|\s+(?!\S)|\s"


def fast_encoder(library: tokenizers.Tokenizer) -> tiktoken.Encoding | None:
    """A tiktoken encoder with the same ids, or None where that is not certain."""
    description = json.loads(library.to_str())
    pattern = _split_pattern(description)
    if pattern is None:
        return None
    ids, merges = _plain_bpe(description)
    if ids is None or not _same_ids(ids, merges):
        return None
    ranks = {from_alphabet(token): ids[token] for token in ALPHABET}
    ranks |= {from_alphabet(left + right): ids[left + right] for left, right in merges}
    return tiktoken.Encoding("groundup", pat_str=pattern, mergeable_ranks=ranks, special_tokens={})


def _split_pattern(description: dict[str, Any]) -> str | None:
    """The split pattern, if nothing but a split and the byte alphabet stands between the text and the merges."""
    if description["normalizer"] is not None:
        return None
    if any(not token["special"] for token in description["added_tokens"]):
        return None  # these are found in the text before it is split
    step = description["pre_tokenizer"] or {}
    if step.get("type") == "ByteLevel" and step["use_regex"] and not step["add_prefix_space"]:
        return GPT2_SPLIT
    return None


def _plain_bpe(description: dict[str, Any]) -> tuple[dict[str, int] | None, list[tuple[str, str]]]:
    """Ids and merges, if the model is a byte-level BPE without any extras."""
    model = description["model"]
    extras = ("dropout", "continuing_subword_prefix", "end_of_word_suffix", "byte_fallback", "ignore_merges")
    if model["type"] != "BPE" or any(model.get(extra) for extra in extras):
        return None, []
    merges = [tuple(m.split(" ")) if isinstance(m, str) else tuple(m) for m in model["merges"]]
    ids = model["vocab"]
    return (ids, merges) if all(token in ids for token in ALPHABET) else (None, [])


def _same_ids(ids: dict[str, int], merges: list[tuple[str, str]]) -> bool:
    """Whether taking the lowest *id* (tiktoken) always joins what taking the earliest *merge* joins.

    tiktoken joins any two neighbours whose union is a token; the merge list names the two. Both do the same if
    the ids rise along the list, and if each token, encoded on its own without itself, ends as its own two parts:
    before the two are joined, nothing reached over their outer borders, so they came about as if alone.
    """
    last_id = -1
    for left, right in merges:
        token = left + right
        if ids[token] <= last_id:
            return False
        last_id = ids[token]
        parts = list(token)
        while len(parts) > 2:
            unions = [
                ids.get(a + b, len(ids)) if a + b != token else len(ids) for a, b in zip(parts, parts[1:])
            ]
            best = min(range(len(unions)), key=unions.__getitem__)
            if unions[best] == len(ids):
                return False
            parts[best : best + 2] = [parts[best] + parts[best + 1]]
        if tuple(parts) != (left, right):
            return False
    return True
