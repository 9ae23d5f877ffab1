"""What a model answers to the prompts of conversations, beside the answers that were expected."""

from collections.abc import Callable, Sequence
from typing import TypedDict

from groundup.data.conversations import Conversation
from groundup.errors import UserError
from groundup.generation.chat import chat_ids, speaking
from groundup.generation.engine import generate
from groundup.weights.folder import Loaded

MAX_TOKENS = 256


class Response(TypedDict):
    """One answer, as a line of JSON keeps it (`system.files.write_jsonl`)."""

    messages: Conversation  # what the model read
    answer: str  # what it said, without the words and marks of the template
    reference: str | None  # what was expected
    finished: str  # why it ends: "border" (it came to its end), "length" or "context" (no room)


def respond(
    loaded: Loaded,
    conversations: Sequence[Conversation],
    *,
    max_tokens: int = MAX_TOKENS,
    temperature: float = 0.0,
    seed: int = 0,
    progress: Callable[[int, int], None] | None = None,
) -> list[Response]:
    """Answer the last question of each conversation, many side by side; greedy unless a temperature is given.

    The assistant's last message is taken off and becomes the reference; a conversation that ends otherwise is
    answered as it is. One that does not fit the model's context gets an empty answer and "context" as the
    reason. UserError without a chat template, or for a conversation that begins with its answer.
    """
    loaded = speaking(loaded)
    asked = [_question(number, conversation) for number, conversation in enumerate(conversations, 1)]
    prompts = [chat_ids(loaded, messages) for messages, _ in asked]
    found: list[Response] = [
        {"messages": messages, "answer": "", "reference": reference, "finished": "context"}
        for messages, reference in asked
    ]
    # Prompts of like length stand side by side, so that little is padded.
    fitting = [number for number, ids in enumerate(prompts) if len(ids) < loaded.config.context_length]
    fitting.sort(key=lambda number: -len(prompts[number]))
    said: list[list[int]] = [[] for _ in fitting]
    done, special = len(prompts) - len(fitting), {*loaded.tokenizer.special_tokens.values()}
    for piece in generate(
        loaded,
        [prompts[number] for number in fitting],
        max_tokens=max_tokens,
        temperature=temperature,
        seed=seed,
    ):
        said[piece.prompt] += piece.ids
        if piece.finished:
            words = [id for id in said[piece.prompt] if id not in special]
            response = found[fitting[piece.prompt]]
            response["answer"] = loaded.tokenizer.decode(words).strip()
            response["finished"] = piece.finished
            done += 1
            if progress:
                progress(done, len(prompts))
    return found


def _question(number: int, conversation: Conversation) -> tuple[Conversation, str | None]:
    """A conversation without the answer that it ends with, and that answer."""
    if not conversation or conversation[-1]["role"] != "assistant":
        return conversation, None
    if not any(message["role"] == "user" for message in conversation[:-1]):
        raise UserError(f"Conversation {number} has nothing before its answer. Begin it with a question.")
    return conversation[:-1], conversation[-1]["content"]
