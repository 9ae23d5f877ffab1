"""From a prompt to a text: read it once, then one token at a time, told piece by piece."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

import torch

from groundup.errors import UserError
from groundup.generation.sample import Sampling, choose
from groundup.model.cache import KVCache
from groundup.text.tokenizer import StreamDecoder
from groundup.weights.folder import Loaded


@dataclass(frozen=True)
class Piece:
    """A little more text of one answer. `finished` says why the answer ends with this piece."""

    prompt: int  # which of the prompts
    text: str
    ids: tuple[int, ...] = ()  # the tokens since the piece before
    finished: Literal["border", "stop", "length", "context"] | None = None


def generate(
    loaded: Loaded,
    prompts: str | Sequence[str],
    *,
    max_tokens: int = 200,
    temperature: float = 0.8,
    top_k: int = 50,
    top_p: float = 1.0,
    seed: int = 0,
    stop: str | Sequence[str] = (),
) -> Iterator[Piece]:
    """Continue each prompt, in order. An empty prompt begins a new document.

    It ends at <|endoftext|> ("border"), before one of the `stop` strings ("stop"), after max_tokens
    ("length") or where the context is full ("context"). Each prompt has a generator of its own, so its text
    does not depend on the others. UserError if a prompt does not fit the context.
    """
    sampling = Sampling(temperature=temperature, top_k=top_k, top_p=top_p)
    if max_tokens < 1:
        raise UserError(f"max_tokens={max_tokens} is too small. Ask for at least 1.")
    if not -(2**63) <= seed < 2**63:
        raise UserError(f"seed={seed} is out of range. Use a number from 0 to below 2**63.")
    stop = (stop,) if isinstance(stop, str) else tuple(stop)
    if "" in stop:
        raise UserError("A stop string is empty, so nothing could be said before it. Leave it out.")
    read = [prompt_ids(loaded, prompt) for prompt in ([prompts] if isinstance(prompts, str) else prompts)]
    # The checks above are made at once; only the answers wait until they are asked for.
    return (
        piece
        for number, ids in enumerate(read)
        for piece in _continue(
            loaded, number, ids, max_tokens, sampling, torch.Generator().manual_seed(seed), stop
        )
    )


def prompt_ids(loaded: Loaded, prompt: str) -> list[int]:
    """The ids that the model reads: the border of a new document, then the prompt's own."""
    ids = [loaded.tokenizer.border_id, *loaded.tokenizer.encode(prompt)]
    limit = loaded.config.context_length
    if len(ids) >= limit:
        raise UserError(
            f"The prompt has {len(ids) - 1} tokens, but the model's context holds {limit}, with the start "
            f"and at least one new token. Shorten the prompt to {limit - 2} tokens."
        )
    return ids


def next_tokens(
    loaded: Loaded, ids: Sequence[int], max_tokens: int, sampling: Sampling, generator: torch.Generator
) -> Iterator[int]:
    """The ids that follow, one at a time, until max_tokens or the end of the context."""
    model, device = loaded.model, loaded.device
    length = min(len(ids) + max_tokens, loaded.config.context_length)
    cache = KVCache(loaded.config, 1, length, device=device, dtype=model.tokens.weight.dtype)
    new = torch.tensor([ids], device=device)  # (B=1, T)
    # A padded vocabulary has more ids than tokens: those are never drawn.
    n_known = loaded.tokenizer.vocab_size
    for _ in range(length - len(ids)):
        with torch.no_grad():
            last = model.hidden(new, cache=cache)[:, -1]  # (1, D)
            logits = model.unembed(last)[:, :n_known]  # (1, V)
        new = choose(logits, sampling, generator)[:, None]
        yield int(new)


def write_documents(
    loaded: Loaded, count: int, max_tokens: int, sampling: Sampling, generator: torch.Generator
) -> list[tuple[list[int], bool]]:
    """Write new documents from nothing, all at once: the ids of each, and whether it came to its end.

    The border is neither in the ids nor counted by max_tokens. It takes about a tenth of the time of writing
    one after the other.
    """
    model, border = loaded.model, loaded.tokenizer.border_id
    length = min(1 + max_tokens, loaded.config.context_length)
    cache = KVCache(loaded.config, count, length, device=loaded.device, dtype=model.tokens.weight.dtype)
    new = torch.full((count, 1), border, device=loaded.device)  # (B, T=1)
    written: list[list[int]] = [[] for _ in range(count)]
    ended = [False] * count
    was_training = model.training
    model.eval()
    for _ in range(length - 1):
        with torch.no_grad():
            logits = model(new, cache=cache)[:, -1, : loaded.tokenizer.vocab_size]  # (B, V)
        new = choose(logits, sampling, generator)[:, None]
        for row, token in enumerate(new[:, 0].tolist()):
            ended[row] |= token == border
            if not ended[row]:
                written[row].append(token)
        if all(ended):
            break
    model.train(was_training)
    return list(zip(written, ended, strict=True))


def _continue(
    loaded: Loaded,
    number: int,
    ids: list[int],
    max_tokens: int,
    sampling: Sampling,
    generator: torch.Generator,
    stop: tuple[str, ...],
) -> Iterator[Piece]:
    """The pieces of one answer. Text that could be the start of a stop string waits until that is decided."""
    decoder, waiting, new_ids, count = StreamDecoder(loaded.tokenizer), "", [], 0
    was_training = loaded.model.training
    loaded.model.eval()
    try:
        for token in next_tokens(loaded, ids, max_tokens, sampling, generator):
            if token == loaded.tokenizer.border_id:
                yield Piece(number, waiting + decoder.finish(), tuple(new_ids), "border")
                return
            count += 1
            new_ids.append(token)
            waiting += decoder.push(token)
            ends = [waiting.find(word) for word in stop if word in waiting]
            if ends:
                yield Piece(number, waiting[: min(ends)], tuple(new_ids), "stop")
                return
            safe = len(waiting) - _held_back(waiting, stop)
            if safe:
                yield Piece(number, waiting[:safe], tuple(new_ids))
                waiting, new_ids = waiting[safe:], []
        reason = "length" if count == max_tokens else "context"
        yield Piece(number, waiting + decoder.finish(), tuple(new_ids), reason)
    finally:
        loaded.model.train(was_training)


def _held_back(text: str, stop: tuple[str, ...]) -> int:
    """How many characters at the end may be the beginning of a stop string."""
    longest = max((len(word) for word in stop), default=1) - 1
    return next(
        (n for n in range(min(longest, len(text)), 0, -1) if any(w.startswith(text[-n:]) for w in stop)), 0
    )
