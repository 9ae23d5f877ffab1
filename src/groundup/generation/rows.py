"""Texts that grow side by side, one token of each at a step. All generation goes through here.

Shapes: B batch (the rows still growing), T time, D model width, V vocabulary.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import torch
from torch import Tensor

from groundup.generation.sample import Sampling, choose
from groundup.model.cache import KVCache
from groundup.model.decoder import Decoder
from groundup.weights.folder import Loaded


class Rows:
    """A batch of texts of any lengths: `step` gives each one token more, `drop` takes one out that has ended.

    Shorter prompts are padded on the right. Each row has positions of its own and sees neither padding nor
    another row, so it says what it would say alone, but for rounding. max_tokens: how many steps there are at
    most. slide: go on where the context is full, with the last half of the text in view.
    """

    def __init__(
        self,
        loaded: Loaded,
        prompts: Sequence[Sequence[int]],
        max_tokens: int,
        sampling: Sampling,
        generators: Sequence[torch.Generator],
        *,
        slide: bool = False,
    ):
        self.loaded, self.sampling, self.slide = loaded, sampling, slide
        self.numbers = list(range(len(prompts)))  # which prompt each row of the batch belongs to
        self.texts, self.generators = [list(ids) for ids in prompts], list(generators)
        self.left = max_tokens
        self.seen: Tensor | None = None  # (B, V) the tokens in each text, for the repetition penalty
        if sampling.repetition_penalty != 1:
            self.seen = torch.zeros(len(prompts), loaded.tokenizer.vocab_size, dtype=torch.bool)
            for row, ids in enumerate(self.texts):
                self.seen[row, ids] = True
            self.seen = self.seen.to(loaded.device)
        self.cache: KVCache | None = None

    def is_full(self, number: int) -> bool:
        """Whether this prompt's text fills the context, so that no further token can be said."""
        full = len(self.texts[self.numbers.index(number)]) >= self.loaded.config.context_length
        return full and not self.slide

    @torch.no_grad()
    def step(self) -> list[tuple[int, int]]:
        """One token for each row that still grows: (the prompt's number, the token)."""
        hidden = self._read()  # (B, D)
        # A padded vocabulary has more ids than tokens: those are never drawn.
        logits = self.loaded.model.unembed(hidden)[:, : self.loaded.tokenizer.vocab_size]  # (B, V)
        new = choose(logits, self.sampling, self.generators, self.seen)  # (B,)
        if self.seen is not None:
            self.seen[torch.arange(len(new), device=new.device), new] = True
        tokens = new.tolist()
        for text, token in zip(self.texts, tokens, strict=True):
            text.append(token)
        self.left -= 1
        return list(zip(self.numbers, tokens, strict=True))

    def drop(self, number: int) -> None:
        """This text has ended. The last row takes its place, so that the others need not move."""
        row = self.numbers.index(number)
        self.numbers[row], self.texts[row] = self.numbers[-1], self.texts[-1]
        self.generators[row] = self.generators[-1]
        del self.numbers[-1], self.texts[-1], self.generators[-1]
        if self.cache is not None:
            self.cache.drop(row)
        if self.seen is not None:
            self.seen[row] = self.seen[-1]
            self.seen = self.seen[:-1]

    def _read(self) -> Tensor:
        """(B, D) what the model makes of the last token of each text."""
        limit = self.loaded.config.context_length
        if self.cache is None:
            return self._read_all()
        if self.slide and self.cache.length == limit:
            # All read again, so that the cache stays one block; it happens once in half a context.
            self.texts = [ids if len(ids) <= limit else ids[-(limit // 2) :] for ids in self.texts]
            return self._read_all()
        last = torch.tensor([ids[-1:] for ids in self.texts], device=self.loaded.device)  # (B, T=1)
        return self.loaded.model.hidden(last, cache=self.cache)[:, -1]

    def _read_all(self) -> Tensor:
        """(B, D) the same from the first token on, into a new cache."""
        model, config, device = self.loaded.model, self.loaded.config, self.loaded.device
        lengths = [len(ids) for ids in self.texts]
        longest = max(lengths)
        room = min(longest + self.left, config.context_length)
        padded = torch.tensor(
            [ids + [0] * (longest - len(ids)) for ids in self.texts], device=device
        )  # (B, T)
        self.cache = KVCache(config, len(lengths), room, device=device, dtype=model.tokens.weight.dtype)
        hidden = model.hidden(padded, cache=self.cache)  # (B, T, D)
        self.cache.cut(lengths)
        return hidden[torch.arange(len(lengths)), torch.tensor(lengths) - 1]


@contextmanager
def speaking(model: Decoder) -> Iterator[None]:
    """Without dropout for a while: the model is put back into training where it was."""
    was_training = model.training
    model.eval()
    try:
        yield
    finally:
        model.train(was_training)
