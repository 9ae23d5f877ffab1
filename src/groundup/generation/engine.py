"""From a prompt to a text: read it once, then one token at a time, told piece by piece."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

import torch

from groundup.errors import UserError
from groundup.generation.rows import Rows, speaking
from groundup.generation.sample import Sampling
from groundup.text.tokenizer import StreamDecoder
from groundup.weights.folder import Loaded, need_decoder

AT_ONCE = 32
"""So many prompts grow side by side: one step for all of them costs far less than a step for each."""

Reason = Literal["border", "stop", "length", "context"]


@dataclass(frozen=True)
class Piece:
    """A little more text of one answer. `finished` says why the answer ends with this piece."""

    prompt: int  # which of the prompts
    text: str
    ids: tuple[int, ...] = ()  # the tokens since the piece before
    finished: Reason | None = None


def generate(
    loaded: Loaded,
    prompts: str | Sequence[str | Sequence[int]],
    *,
    max_tokens: int = 200,
    temperature: float = 0.8,
    top_k: int = 50,
    top_p: float = 1.0,
    min_p: float = 0.0,
    repetition_penalty: float = 1.0,
    seed: int | Sequence[int] = 0,
    stop: str | Sequence[str] = (),
    stop_tokens: Sequence[int] = (),
    slide: bool = False,
) -> Iterator[Piece]:
    """Continue the prompts, side by side: each piece says which it belongs to.

    An empty prompt begins a document. A prompt may also be a list of ids, such as the template of a chat
    gives: no border comes before them. An answer ends at <|endoftext|> or another of the model's own ends
    ("border"), before one of the `stop` strings or at one of the ids in `stop_tokens` ("stop"), after
    max_tokens ("length") or where the context is full ("context"); with `slide` it goes on there, with the
    last half of the text in view.

    Each prompt has a generator of its own, from the one seed or from its own of several. So its text is the
    same alone and among others, unless two tokens are so close that rounding decides. UserError if a prompt
    does not fit the context.
    """
    need_decoder(loaded)
    sampling = Sampling(
        temperature=temperature,
        top_k=top_k,
        top_p=top_p,
        min_p=min_p,
        repetition_penalty=repetition_penalty,
    )
    prompts = [prompts] if isinstance(prompts, str) else list(prompts)
    if max_tokens < 1:
        raise UserError(f"max_tokens={max_tokens} is too small. Ask for at least 1.")
    seeds = _seeds(seed, len(prompts))
    end = Ending(
        max_tokens=max_tokens,
        strings=(stop,) if isinstance(stop, str) else tuple(stop),
        tokens=frozenset(stop_tokens),
    )
    read = [prompt_ids(loaded, prompt) for prompt in prompts]
    # The checks above are made at once; only the answers wait until they are asked for.
    return (
        piece
        for start in range(0, len(read), AT_ONCE)
        for piece in _answer(
            loaded, start, read[start : start + AT_ONCE], sampling, seeds[start : start + AT_ONCE], end, slide
        )
    )


def prompt_ids(loaded: Loaded, prompt: str | Sequence[int]) -> list[int]:
    """The ids that the model reads: the border of a new document and the text's own, or the given ids."""
    if isinstance(prompt, str):
        ids, start = [loaded.tokenizer.border_id, *loaded.tokenizer.encode(prompt)], 1
    else:
        ids, start, known = list(prompt), 0, loaded.tokenizer.vocab_size
        if not ids or not all(0 <= id < known for id in ids):
            raise UserError(
                f"A prompt of ids must have at least one, each from 0 to {known - 1}, but one has "
                f"{next((id for id in ids if not 0 <= id < known), 'none')}. Use the model's own tokenizer."
            )
    limit = loaded.config.context_length
    if len(ids) >= limit:
        raise UserError(
            f"The prompt has {len(ids) - start} tokens, but the model's context holds {limit}, with "
            f"{'the start and ' * start}at least one new token. Shorten the prompt to {limit - 1 - start} "
            f"tokens."
        )
    return ids


def write_documents(
    loaded: Loaded, count: int, max_tokens: int, sampling: Sampling, generator: torch.Generator
) -> list[tuple[list[int], bool]]:
    """Write new documents from nothing, all at once: the ids of each, and whether it came to its end.

    The border is neither in the ids nor counted by max_tokens. It takes about a tenth of the time of writing
    one after the other.
    """
    border = loaded.tokenizer.border_id
    written: list[list[int]] = [[] for _ in range(count)]
    ended = [False] * count
    rows = Rows(loaded, [[border]] * count, max_tokens, sampling, [generator] * count)
    with speaking(loaded.model):
        for _ in range(min(max_tokens, loaded.config.context_length - 1)):
            for number, token in rows.step():
                if token == border:
                    ended[number] = True
                    rows.drop(number)
                else:
                    written[number].append(token)
            if not rows.numbers:
                break
    return list(zip(written, ended, strict=True))


@dataclass(frozen=True)
class Ending:
    """What ends an answer, beside the border and the context."""

    max_tokens: int
    strings: tuple[str, ...]
    tokens: frozenset[int]

    def __post_init__(self) -> None:
        if "" in self.strings:
            raise UserError("A stop string is empty, so nothing could be said before it. Leave it out.")


class Answer:
    """What was said to one prompt, and how much of it may be told already.

    Text that could be the start of a stop string waits until that is decided, and half a character, too.
    """

    def __init__(self, loaded: Loaded, number: int, end: Ending):
        self.number, self.end = number, end
        self.ends = loaded.ends  # a Llama begins by one and ends by another
        self.decoder = StreamDecoder(loaded.tokenizer)
        self.count, self.waiting, self.ids = 0, "", list[int]()

    def push(self, token: int, *, full: bool) -> Piece | None:
        """The next piece, if there is one; full: nothing can be said after this token."""
        reason = self._reason(token, full)
        if reason in (None, "length", "context"):  # the others end the answer without belonging to it
            self.ids.append(token)
            self.waiting += self.decoder.push(token)
        if reason:
            self.waiting += self.decoder.finish()
        ends = [self.waiting.find(word) for word in self.end.strings if word in self.waiting]
        if ends:
            return self._tell(min(ends), "stop")
        if reason:
            return self._tell(len(self.waiting), reason)
        safe = len(self.waiting) - _held_back(self.waiting, self.end.strings)
        return self._tell(safe) if safe else None

    def _reason(self, token: int, full: bool) -> Reason | None:
        """Why the answer ends with this token, whatever it stands for; None if it goes on."""
        self.count += 1
        if token in self.ends:
            return "border"
        if token in self.end.tokens:
            return "stop"
        if self.count == self.end.max_tokens:
            return "length"
        return "context" if full else None

    def _tell(self, length: int, finished: Reason | None = None) -> Piece:
        piece = Piece(self.number, self.waiting[:length], tuple(self.ids), finished)
        self.waiting, self.ids = self.waiting[length:], []
        return piece


def _answer(
    loaded: Loaded,
    first: int,
    prompts: list[list[int]],
    sampling: Sampling,
    seeds: Sequence[int],
    end: Ending,
    slide: bool,
) -> Iterator[Piece]:
    """The pieces of all answers to prompts that grow side by side; `first`: the number of the first one."""
    generators = [torch.Generator().manual_seed(seed) for seed in seeds]
    rows = Rows(loaded, prompts, end.max_tokens, sampling, generators, slide=slide)
    answers = [Answer(loaded, first + number, end) for number in range(len(prompts))]
    with speaking(loaded.model):
        while rows.numbers:
            for number, token in rows.step():
                piece = answers[number].push(token, full=rows.is_full(number))
                if piece and piece.finished:
                    rows.drop(number)
                if piece:
                    yield piece


def _seeds(seed: int | Sequence[int], count: int) -> list[int]:
    """One seed for each prompt."""
    seeds = [seed] * count if isinstance(seed, int) else list(seed)
    if len(seeds) != count:
        raise UserError(f"There are {len(seeds)} seeds for {count} prompts. Give one, or one for each.")
    for value in seeds:
        if not -(2**63) <= value < 2**63:
            raise UserError(f"seed={value} is out of range. Use a number from 0 to below 2**63.")
    return seeds


def _held_back(text: str, stop: tuple[str, ...]) -> int:
    """How many characters at the end may be the beginning of a stop string."""
    longest = max((len(word) for word in stop), default=1) - 1
    return next(
        (n for n in range(min(longest, len(text)), 0, -1) if any(w.startswith(text[-n:]) for w in stop)), 0
    )
