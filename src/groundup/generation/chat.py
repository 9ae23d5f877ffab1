"""A model in a conversation: what it reads before its answer, and where the answer ends."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

from groundup.text.chat import Message, answer_end_ids, encode_chat
from groundup.weights.folder import ENDS, Loaded


def speaking(loaded: Loaded) -> Loaded:
    """The same model, whose generation_config.json names what ends an answer: other programs need it there.

    `generate` and `ends` heed it at once, and `save` writes it. UserError without a chat template.
    """
    tokenizer, ends = loaded.tokenizer, {ENDS: sorted(answer_end_ids(loaded.tokenizer))}
    # What `save` writes by itself for a model that came without such a file.
    usual = {"bos_token_id": tokenizer.begin_id, "do_sample": True, "temperature": 0.8, "top_k": 50}
    if tokenizer.pad_id is not None:
        usual["pad_token_id"] = tokenizer.pad_id
    return replace(loaded, generation={**(loaded.generation or usual), **ends})


def chat_ids(loaded: Loaded, messages: Sequence[Message], *, now: datetime | None = None) -> list[int]:
    """The ids that a model reads before it answers, as prompts for `generate`. Errors as in `encode_chat`."""
    return encode_chat(loaded.tokenizer, messages, add_generation_prompt=True, now=now)[0]
