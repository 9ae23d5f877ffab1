"""The job of `groundup generate`: from typed words or a file to prompts, and from many answers to a page."""

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from groundup.errors import UserError, did_you_mean
from groundup.generation.engine import Piece, generate
from groundup.text.tokenizer import Tokenizer
from groundup.weights.folder import Loaded


def prompts_from(typed: Sequence[str], file: Path | None) -> list[str]:
    """The prompts: those that were typed, or one for each line of a file; without any, a new document."""
    if file is None:
        return list(typed) or [""]
    if typed:
        raise UserError(f"There are a prompt {typed[0]!r} and a file {file}. Give the one or the other.")
    try:
        lines = file.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"Could not read {file} ({error}). Give a UTF-8 text, one prompt a line.") from None
    if not lines:
        raise UserError(f"{file} is empty. Write one prompt a line; an empty line begins a new document.")
    return lines


def token_ids(tokenizer: Tokenizer, names: Iterable[str]) -> list[int]:
    """The ids of tokens named as in tokenizer.json. UserError for one that is not there."""
    found = {name: tokenizer.token_to_id(name) for name in names}
    for name, id in found.items():
        if id is None:
            near = did_you_mean(name, tokenizer.special_tokens)
            raise UserError(
                f"This tokenizer has no token {name!r}.{near} To end before any text, use --stop."
            )
    return [id for id in found.values() if id is not None]


def in_order(pieces: Iterable[Piece], count: int) -> Iterator[Piece]:
    """The first answer's pieces as they come, then the second's, and so on: what is early waits its turn."""
    waiting: list[list[Piece]] = [[] for _ in range(count)]
    shown = 0
    for piece in pieces:
        waiting[piece.prompt].append(piece)
        while shown < count and waiting[shown]:
            ready, waiting[shown] = waiting[shown], []
            yield from ready
            if not ready[-1].finished:
                break
            shown += 1


def write_answers(
    loaded: Loaded,
    prompts: Sequence[str],
    show: Callable[[str], None],
    *,
    samples: int = 1,
    seed: int = 0,
    clock: Callable[[], float] = time.perf_counter,
    **how: Any,
) -> str:
    """Show each prompt with its answer, empty lines between; returns a line on speed and full contexts.

    samples: so many answers to each prompt, from seeds one apart. how: as `generate` takes it.
    """
    asked = [prompt for prompt in prompts for _ in range(samples)]
    seeds = [seed + number for _ in prompts for number in range(samples)]
    began, tokens, full, current = clock(), 0, 0, -1
    pieces = generate(loaded, asked, seed=seeds, **how)
    for piece in in_order(pieces, len(asked)):
        if piece.prompt != current:
            current = piece.prompt
            show(("\n" if current else "") + asked[current])
        show(piece.text + ("\n" if piece.finished else ""))
        tokens += len(piece.ids)
        full += piece.finished == "context"
    seconds = max(clock() - began, 1e-9)
    line = f"{tokens:,} tokens in {seconds:.1f} s: {tokens / seconds:,.0f} tokens a second."
    if full:
        limit = loaded.config.context_length
        line += (
            f" {full} of {len(asked)} texts ended because the context of {limit:,} tokens was full; "
            "--slide goes on."
        )
    return line
