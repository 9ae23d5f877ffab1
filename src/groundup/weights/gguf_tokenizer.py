"""A byte-level BPE tokenizer in the words of GGUF, which knows how texts are split by a name only."""

import json
from typing import Any

from groundup.errors import UserError
from groundup.text.patterns import GPT2
from groundup.text.tokenizer import Tokenizer

NORMAL, CONTROL, OWN_WORD, UNUSED = 1, 3, 4, 5  # kinds of tokens, as llama.cpp numbers them


def tokenizer_fields(tokenizer: Tokenizer, vocab_size: int) -> dict[str, Any]:
    """The fields by the names of gguf's writer. UserError for a tokenizer that GGUF cannot say.

    vocab_size: of the model; ids without a token get a name of their own, and are said to be unused.
    """
    description = json.loads(tokenizer.library.to_str())
    model = description["model"]
    _refuse_other_kinds(description)
    merges = [merge if isinstance(merge, str) else " ".join(merge) for merge in model["merges"]]
    if not merges:
        raise UserError(
            "llama.cpp cannot read a tokenizer of single bytes, without merges. Train the model with a "
            "learned vocabulary, or export it as a Hugging Face folder."
        )
    names = {id: token for token, id in tokenizer.library.get_vocab(with_added_tokens=True).items()}
    added = {token["id"]: token["special"] for token in description["added_tokens"]}
    kinds = {id: CONTROL if special else OWN_WORD for id, special in added.items()}
    fields: dict[str, Any] = {
        "tokenizer_model": "gpt2",
        "tokenizer_pre": "gpt-2",
        "token_list": [names.get(id, f"[UNUSED{id}]") for id in range(vocab_size)],
        "token_types": [kinds.get(id, NORMAL) if id in names else UNUSED for id in range(vocab_size)],
        "token_merges": merges,
        "bos_token_id": tokenizer.border_id,
        "eos_token_id": tokenizer.border_id,
        "add_bos_token": False,  # as our own `encode`, which adds nothing
    }
    if tokenizer.pad_id is not None:
        fields["pad_token_id"] = tokenizer.pad_id
    template = tokenizer.config.get("chat_template")
    return fields | ({"chat_template": template} if template else {})


def _refuse_other_kinds(description: dict[str, Any]) -> None:
    """UserError with the reason, unless it is a byte-level BPE that splits texts as GPT-2 does."""
    model = description["model"]
    extras = ("dropout", "continuing_subword_prefix", "end_of_word_suffix", "byte_fallback", "ignore_merges")
    step = description["pre_tokenizer"] or {}
    *before, last = step["pretokenizers"] if step.get("type") == "Sequence" else [step]
    reason = None
    if model["type"] != "BPE" or last.get("type") != "ByteLevel":
        reason = f"it is a {model['type']} whose tokens are not written as bytes"
    elif any(model.get(extra) for extra in extras):
        reason = f"it uses {next(extra for extra in extras if model.get(extra))}"
    elif description["normalizer"] is not None:
        reason = "it changes the text before it splits it"
    elif last["add_prefix_space"]:
        reason = "it puts a space before each text"
    elif last["use_regex"] == bool(before) or (before and not _is_gpt2_split(before)):
        reason = "it splits texts by another pattern than GPT-2's"
    if reason:
        raise UserError(
            f"GGUF cannot hold this tokenizer: {reason}. Only byte-level BPE with GPT-2's pattern can be "
            f"written; export it as a Hugging Face folder."
        )


def _is_gpt2_split(before: list[dict[str, Any]]) -> bool:
    split = {"type": "Split", "pattern": {"Regex": GPT2.piece.pattern}, "behavior": "Isolated"}
    return before == [{**split, "invert": False}]
