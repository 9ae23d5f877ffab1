"""A tokenizer in the words of GGUF, which knows two kinds: GPT-2's byte-level BPE, and SentencePiece's.

The first has its merges, and a name for how texts are split. The second has a score for each token instead:
of all neighbours whose union is a token, those with the best score are joined first.
"""

import json
from collections.abc import Iterator
from typing import Any

from groundup.errors import UserError
from groundup.text.fast import same_ids
from groundup.text.llama2c import SPACE
from groundup.text.patterns import GPT2
from groundup.text.tokenizer import Tokenizer

NORMAL, UNKNOWN, CONTROL, OWN_WORD, UNUSED, BYTE = (
    1,
    2,
    3,
    4,
    5,
    6,
)  # kinds of tokens, as llama.cpp numbers them
NEVER = -1e9  # the score of what no two neighbours make
BYTES = [f"<0x{byte:02X}>" for byte in range(256)]

WORDS = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|"
SIGNS = r"| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
SPLITS = {
    (GPT2.piece.pattern, False): "gpt-2",
    (WORDS + r"\p{N}" + SIGNS, False): "qwen2",
    (WORDS + r"\p{N}{1,3}" + SIGNS, True): "llama-bpe",
}
"""llama.cpp's names of how texts are split; by the pattern, and whether a known word passes by the merges."""

REPLACE = {"type": "Replace", "pattern": {"String": " "}, "content": SPACE}
PREPEND = {"type": "Prepend", "prepend": SPACE}
AT_SPACES = {"type": "Split", "pattern": {"String": " "}, "behavior": "MergedWithPrevious", "invert": False}


def tokenizer_fields(tokenizer: Tokenizer, vocab_size: int) -> dict[str, Any]:
    """The fields by the names of gguf's writer. UserError for a tokenizer that GGUF cannot say.

    vocab_size: of the model; ids without a token get a name of their own, and are said to be unused.
    """
    description = json.loads(tokenizer.library.to_str())
    by_scores = description["model"]["type"] == "BPE" and description["model"]["byte_fallback"]
    names = {id: token for token, id in tokenizer.library.get_vocab(with_added_tokens=True).items()}
    added = {token["id"]: token["special"] for token in description["added_tokens"]}
    kinds = {id: CONTROL if special else OWN_WORD for id, special in added.items()}
    fields: dict[str, Any] = {
        "bos_token_id": tokenizer.border_id,
        "eos_token_id": tokenizer.end_id,
        # As `generate` begins each text, unless the model's own settings say that texts begin with nothing.
        "add_bos_token": tokenizer.config.get("add_bos_token") is not False
        and tokenizer.config.get("bos_token", "") is not None,
    }
    if by_scores:
        scores = _scores(description)
        fields |= {"tokenizer_model": "llama", "tokenizer_pre": "default"}
        fields["add_space_prefix"] = _space_first(description)
        fields["token_scores"] = [scores.get(names.get(id, ""), NEVER) for id in range(vocab_size)]
        kinds |= {id: BYTE for id, name in names.items() if name in BYTES}
        unknown = tokenizer.token_to_id(description["model"]["unk_token"] or "")
        if unknown is not None:
            fields["unk_token_id"], kinds[unknown] = unknown, UNKNOWN
    else:
        fields |= {"tokenizer_model": "gpt2", "tokenizer_pre": _split_name(description)}
        fields["token_merges"] = [" ".join(pair) for pair in _merges(description)]
    fields["token_list"] = [names.get(id, f"[UNUSED{id}]") for id in range(vocab_size)]
    fields["token_types"] = [kinds.get(id, NORMAL) if id in names else UNUSED for id in range(vocab_size)]
    if tokenizer.pad_id is not None:
        fields["pad_token_id"] = tokenizer.pad_id
    template = tokenizer.config.get("chat_template")
    return fields | ({"chat_template": template} if template else {})


def tokenizer_notes(tokenizer: Tokenizer) -> list[str]:
    """What llama.cpp reads otherwise in rare texts, in one line each."""
    description = json.loads(tokenizer.library.to_str())
    notes = []
    if (description["normalizer"] or {}).get("type") == "NFC":
        notes.append(
            "llama.cpp does not compose characters (NFC): a letter with a separate accent stays two."
        )
    before = description["pre_tokenizer"] or {}
    if before.get("type") == "Metaspace" and before["prepend_scheme"] != "never":
        notes.append("llama.cpp reads one more space where a text begins with a space.")
    return notes


def _merges(description: dict[str, Any]) -> list[tuple[str, str]]:
    """The pairs; older versions of the library wrote "a b" for each. UserError if there are none."""
    pairs = (
        merge.split(" ") if isinstance(merge, str) else merge for merge in description["model"]["merges"]
    )
    merges = [(left, right) for left, right in pairs]
    if not merges:
        raise UserError(
            "llama.cpp cannot read a tokenizer of single bytes, without merges. Train the model with a "
            "learned vocabulary, or export it as a Hugging Face folder."
        )
    return merges


def _split_name(description: dict[str, Any]) -> str:
    """llama.cpp's name of the split. UserError with the reason, unless it is byte-level BPE that has one."""
    model, normalizer = description["model"], description["normalizer"]
    step = description["pre_tokenizer"] or {}
    *before, last = step["pretokenizers"] if step.get("type") == "Sequence" else [step]
    if model["type"] != "BPE" or last.get("type") != "ByteLevel":
        raise _refusal(f"it is a {model['type']} whose tokens are not written as bytes")
    for extra in ("dropout", "continuing_subword_prefix", "end_of_word_suffix"):
        if model.get(extra):
            raise _refusal(f"it uses {extra}")
    if last["add_prefix_space"]:
        raise _refusal("it puts a space before each text")
    if last["use_regex"]:
        pattern = None if before else GPT2.piece.pattern
    else:
        pattern = before[0].get("pattern", {}).get("Regex") if len(before) == 1 else None
        isolated = {"type": "Split", "pattern": {"Regex": pattern}, "behavior": "Isolated", "invert": False}
        pattern = pattern if before == [isolated] else None
    name = SPLITS.get((pattern or "", model.get("ignore_merges", False)))
    if name is None:
        raise _refusal("it splits texts by another pattern than GPT-2's, Qwen2's or Llama 3's")
    if normalizer is not None and (name, normalizer) != ("qwen2", {"type": "NFC"}):
        raise _refusal("it changes the text before it splits it")
    return name


def _space_first(description: dict[str, Any]) -> bool:
    """Whether a text gets a space before its first word. UserError if spaces are written in another way."""
    normalizer, before = description["normalizer"], description["pre_tokenizer"]
    steps = normalizer["normalizers"] if normalizer and normalizer["type"] == "Sequence" else [normalizer]
    if before in (None, AT_SPACES):  # no space is left to split at
        if steps in ([PREPEND, REPLACE], [REPLACE]):
            return PREPEND in steps
    elif normalizer is None and before["type"] == "Metaspace":
        if before["replacement"] == SPACE and not before["split"]:
            return before["prepend_scheme"] != "never"
    raise _refusal("it treats spaces otherwise than SentencePiece")


def _scores(description: dict[str, Any]) -> dict[str, float]:
    """Scores of tokens that join what the merges join. UserError where none do."""
    ids: dict[str, int] = description["model"]["vocab"]
    if any(byte not in ids for byte in BYTES):
        raise _refusal("it lacks tokens for some bytes")
    merges = _merges(description)
    ranks: dict[str, int] = {}
    for rank, (left, right) in enumerate(merges):
        ranks.setdefault(left + right, rank)
    apart = {token["content"] for token in description["added_tokens"]} | set(BYTES)
    listed = set(merges)
    missing = {
        "".join(pair) for token in ids.keys() - apart for pair in _cuts(token, ids) if pair not in listed
    }
    order = [ranks[left + right] for left, right in merges]
    # Published ones list every pair that makes a token; learned ones the first, which must lead there alone.
    all_listed = not missing and order == sorted(order)
    if not all_listed and not (missing <= ranks.keys() and same_ids(ranks, merges)):
        raise _refusal("llama.cpp joins tokens by scores, and no scores give its merges")
    return {token: -float(rank) for token, rank in ranks.items()}


def _cuts(token: str, ids: dict[str, int]) -> Iterator[tuple[str, str]]:
    """The pairs that make this token; llama.cpp begins with characters, tokens or not."""
    for place in range(1, len(token)):
        left, right = token[:place], token[place:]
        if all(part in ids or len(part) == 1 for part in (left, right)):
            yield left, right


def _refusal(reason: str) -> UserError:
    return UserError(
        f"GGUF cannot hold this tokenizer: {reason}. It can hold byte-level BPE split as in GPT-2, Qwen2 or "
        f"Llama 3, and SentencePiece's BPE; export it as a Hugging Face folder."
    )
