"""A recipe for a text of one's own, from the bytes there are, the minutes and the machine's speed."""

import math
import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from groundup.data.piece import read_pieces
from groundup.datasets import find_dataset, is_dataset
from groundup.errors import UserError
from groundup.runs.compiled import refuse_impossible
from groundup.runs.evaluate import tasks_for
from groundup.runs.folder import RunFolder
from groundup.runs.pace import measured_speed
from groundup.runs.prepare import Source, open_source, refuse_unknown_source
from groundup.runs.recipe import DataSettings, Recipe, make_recipe
from groundup.runs.sizes import with_shape
from groundup.settings import Table, read_toml, with_changes
from groundup.system.device import pick_device
from groundup.system.files import check_writable
from groundup.system.progress import View, duration

TOKENS_PER_STEP = 4096
"""Small batches learn more from the same text; below this, each step costs more than it gives."""

CONTEXT = 256
EPOCHS = 30
"""With dropout, the loss on unseen text falls for about so many readings of a short text, then it rises."""

FRESH_EPOCHS, DROPOUT = 4, 0.2
"""A text that is read more often than this is learned by heart without dropout."""

Size = tuple[int, int, int]
LADDER: tuple[Size, ...] = (
    (64, 2, 1),
    (96, 3, 3),
    (128, 4, 2),
    (192, 4, 3),
    (256, 5, 4),
    (384, 6, 6),
    (512, 8, 8),
    (768, 12, 12),
)
"""(d_model, n_layers, n_heads), small to large."""

READINGS = 1.2
"""Tokens that a model should read for each parameter, uncompiled, before a larger one learns more.

Compiled it reads half as many more; with 2 to 5 for each parameter sizes differ little."""

EXACT_BYTES, UNKNOWN_BYTES = 100_000_000, 10_000_000_000
"""Of a larger source the bytes are only estimated; one that does not tell its size is taken for large."""

GROWTH = {".gz": 3, ".zst": 3, ".parquet": 2}
"""How many times a packed text grows when it is read, about."""

LARGER = 10
"""Of a source that has so many times more than is read in the time given, only that much is prepared."""

LEAST_BYTES = 10_000
"""Below this, the validation part would not fill a window of tokens."""

SHARE_FOR_TRAINING = 0.9
"""Of the minutes; the rest goes into validation, samples and checkpoints."""


def recipe_for(
    source: str,
    minutes: float,
    runs: Path,
    view: View,
    *,
    changes: Iterable[str] = (),
    device: str | None = None,
    restart: bool = False,
    name: str | None = None,
    clock: Callable[[], float] = time.monotonic,
) -> Recipe:
    """A recipe for a file, a folder or a dataset; an unfinished run of the same name keeps its own."""
    if not 0 < minutes < math.inf:
        raise UserError(f"--minutes {minutes:g} is no time. Give a number above 0, such as 10.")
    refuse_unknown_source(source)
    changes = list(changes)
    name = name or next((word[5:] for word in changes if word.startswith("name=")), run_name(source))
    started = RunFolder(runs / name)
    dataset = find_dataset(source) if is_dataset(source) else None
    whole_source = source if dataset else str(Path(source).expanduser().resolve())
    if started.recipe.is_file() and not restart:
        return taken_up(started, whole_source, changes, view)
    check_writable(started.path)  # before the machine is measured
    n_bytes = source_bytes(open_source(DataSettings(source=source), 1, view))
    if n_bytes is not None and n_bytes < LEAST_BYTES:
        raise UserError(
            f"{source} has {n_bytes:,} bytes of text, too few to learn from. "
            f"Give at least {LEAST_BYTES:,}; a book has about 500,000."
        )
    table = first_table(name, whole_source, n_bytes)
    if dataset:
        table["sample"]["prompts"] = list(dataset.prompts)
        table["evaluate"]["tasks"] = tasks_for(dataset.sample())
    where = pick_device(device)
    table = with_changes(table, changes)
    sizes = sizes_for(table)
    # Whatever is wrong with the changes is said now, and not after the machine has been measured.
    refuse_impossible(make_recipe(with_size(table, sizes[0])).train, where)
    began = clock()
    with view.phase("Measuring how fast this machine trains"):
        table = fit(
            table,
            n_bytes,
            lambda: minutes * 60 * SHARE_FOR_TRAINING - (clock() - began),
            lambda table, tokens: measured_speed(table, where, tokens),
            sizes,
        )
    recipe = make_recipe(with_changes(table, changes))
    model, steps = recipe.model, recipe.train.steps
    given = source if n_bytes is None or n_bytes > EXACT_BYTES else f"{n_bytes:,} bytes"
    view.say(
        f"Chosen for {given} and {duration(60 * minutes)}: {model['n_layers']} layers of width "
        f"{model['d_model']}, a vocabulary of {recipe.tokenizer.vocab_size:,} tokens, {steps:,} steps of "
        f"{recipe.train.tokens_per_step:,} tokens."
    )
    return recipe


def source_bytes(source: Source) -> int | None:
    """Bytes of text that a source has; of a large one about so many, and None of one that never ends."""
    if source.endless:
        return None
    pieces = source.pieces()
    if not all(piece.size for piece in pieces):
        return UNKNOWN_BYTES
    if sum(piece.size for piece in pieces) > EXACT_BYTES:
        return sum(piece.size * GROWTH.get(Path(piece.name).suffix.lower(), 1) for piece in pieces)
    return sum(len(text.encode()) for text in read_pieces(pieces))


def taken_up(started: RunFolder, source: str, changes: list[str], view: View) -> Recipe:
    """The recipe of a run that is there already. UserError if it was made from another text."""
    recipe = make_recipe(with_changes(read_toml(started.recipe), changes))
    if recipe.data.source != source:
        raise UserError(
            f"{started.path} is a run on {recipe.data.source}, not on {source}. "
            f"Choose another name with name=NAME."
        )
    view.say(f"Taking up {started.path}, by its own recipe.")
    return recipe


def run_name(source: str) -> str:
    """The name of a run from that of its text: "My book.txt.gz" becomes "My_book"."""
    name = Path(source).name
    while Path(name).suffix.lower() in (".txt", ".jsonl", ".parquet", ".gz", ".zst"):
        name = Path(name).stem
    return "".join(c if c.isalnum() or c in "-_" else "_" for c in name).strip("_")[:100] or "text"


def vocabulary_for(n_bytes: int | None) -> int:
    """About the root of the bytes, a power of two from 512 to 4,096: each token must occur often enough."""
    if n_bytes is None:
        return 2048
    return 2 ** min(12, max(9, round(math.log2(max(1, n_bytes)) / 2)))


def first_table(name: str, source: str, n_bytes: int | None) -> Table:
    """All that does not depend on the machine's speed."""
    return {
        "name": name,
        "seed": 1,
        "data": {"source": source},
        "tokenizer": {"source": "train", "vocab_size": vocabulary_for(n_bytes)},
        "model": {"family": "qwen3", "context_length": CONTEXT},
        "train": {
            "steps": 1,
            "tokens_per_step": TOKENS_PER_STEP,
            "sequence_length": CONTEXT,
            "micro_batch": TOKENS_PER_STEP // CONTEXT,
            "optimizer": "muon",
            "learning_rate": 4e-3,
            "final_learning_rate": 0.0,
            "schedule": "wsd",
        },
        "validate": {"tokens": 50_000},
        "sample": {"prompts": [""], "max_tokens": 200},
        "evaluate": {"tasks": ["perplexity"], "tokens": 200_000, "when": ["end"]},
    }


def fit(
    table: Table,
    n_bytes: int | None,
    seconds_left: Callable[[], float],
    speed: Callable[[Table, float], float],
    sizes: Sequence[Size] = LADDER,
) -> Table:
    """Choose the size that learns most in the time, then as many steps as fit.

    seconds_left: for training, now; measuring takes its share, and compiling for it more. speed: tokens a
    second that this machine trains on with such a recipe, in a run of so many; 0: without compiling.
    """
    tokens_there = math.inf if n_bytes is None else 0.9 * n_bytes / bytes_per_token(table)
    base = sizes[min(2, len(sizes) - 1)]
    power = speed(with_size(table, base), 0.0) * work(table, base)  # parameters times tokens, a second

    def readable(size: Size) -> float:
        """Tokens that a model of this size reads in the time that is left, about."""
        return min(max(0.0, seconds_left()) * power / work(table, size), EPOCHS * tokens_there)

    affordable = [size for size in sizes if readable(size) >= READINGS * work(table, size)]
    size = affordable[-1] if affordable else sizes[0]
    again = readable(size) > FRESH_EPOCHS * tokens_there
    table = with_size(table, size)
    table = {**table, "model": {**table["model"], "dropout": DROPOUT if again else 0.0}}
    pace = speed(table, readable(size))
    tokens = min(max(0.0, seconds_left()) * pace, EPOCHS * tokens_there)
    steps = max(20, round(tokens / table["train"]["tokens_per_step"]))
    tenth = -(-steps // 10)
    more = {
        "steps": steps,
        "warmup_steps": max(1, steps // 50),
        "checkpoint": {"every": max(50, tenth), "keep": 2},
    }
    # Muon learns a short text by heart too soon: on Alice, read 30 times, 2.155 bits per byte, AdamW 1.972.
    more |= {"optimizer": "adamw", "learning_rate": 3e-3, "schedule": "linear"} if again else {}
    enough = {"max_tokens": int(tokens * 1.02) + 10_000} if tokens * LARGER < tokens_there else {}
    return {
        **table,
        "train": {**table["train"], **more},
        "validate": {**table["validate"], "every": tenth},
        "sample": {**table["sample"], "every": tenth},
        "data": {**table["data"], **enough},
    }


def sizes_for(table: Table) -> Sequence[Size]:
    """The sizes to choose from: all, or the one that the model's table names."""
    names, model = ("d_model", "n_layers", "n_heads"), table["model"]
    if "size" in model:
        vocab_size = table["tokenizer"]["vocab_size"]
        model = with_shape(model, vocab_size=vocab_size, context_length=CONTEXT)
    elif not model.keys() & set(names):
        return LADDER
    usual = dict(zip(names, LADDER[2], strict=True))
    d_model, n_layers, n_heads = (model.get(name, usual[name]) for name in names)
    return [(d_model, n_layers, n_heads)]


def with_size(table: Table, size: Size) -> Table:
    """The table with one rung of the ladder."""
    d_model, n_layers, n_heads = size
    sized = {"d_model": d_model, "n_layers": n_layers, "n_heads": n_heads}
    return {**table, "model": {**table["model"], **sized}}


def work(table: Table, size: Size) -> float:
    """Parameters that multiply each token: those of the blocks and of the head."""
    d_model, n_layers, _ = size
    return 12 * n_layers * d_model**2 + d_model * table["tokenizer"]["vocab_size"]


def bytes_per_token(table: Table) -> float:
    """About how much English a token of a learned vocabulary holds: 2.2 bytes of 512 tokens, 3.7 of 4,096."""
    return 0.5 * math.log2(table["tokenizer"]["vocab_size"]) - 2.3
