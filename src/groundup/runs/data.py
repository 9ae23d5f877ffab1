"""Jobs with data: prepare what a recipe needs, and show what a step of a run read."""

import itertools
from collections.abc import Iterable, Iterator
from pathlib import Path

from rich.table import Table

from groundup.data.piece import read_pieces
from groundup.datasets import DATASETS, find_dataset, is_dataset
from groundup.errors import UserError
from groundup.runs.automatic import LADDER, first_table, run_name, with_size
from groundup.runs.continuing import refuse_changed_data
from groundup.runs.folder import RunFolder
from groundup.runs.prepare import open_source, prepare, refuse_unknown_source, with_progress
from groundup.runs.pretrain import make_batches
from groundup.runs.recipe import DataSettings, Recipe, make_recipe, read_recipe
from groundup.settings import with_changes
from groundup.system.progress import View


def recipe_of(source: str, changes: Iterable[str]) -> Recipe:
    """The recipe of a .toml file; for a dataset, a file or a folder one that says only what its data are."""
    if source.endswith(".toml"):
        return read_recipe(source, changes)
    refuse_unknown_source(source)
    where = source if is_dataset(source) else str(Path(source).expanduser().resolve())
    table = with_size(first_table(run_name(source), where, None), LADDER[0])  # some model has to be named
    return make_recipe(with_changes(table, changes))


def prepare_and_tell(recipe: Recipe, view: View) -> None:
    """Prepare the data of a recipe, and say what they are."""
    facts = prepare(recipe, view).facts()
    view.say(
        f"{facts['source']}: {facts['documents']:,} documents, {facts['bytes']:,} bytes, "
        f"{facts['tokens']:,} tokens"
    )
    view.say(
        f"for validation: {facts['validation_documents']:,} documents, {facts['validation_bytes']:,} bytes, "
        f"{facts['validation_tokens']:,} tokens"
    )
    view.say(f"kept in {facts['folder']}")


def list_datasets(view: View) -> None:
    """The datasets that are known by name: what they hold, what they are, their parts and their terms."""
    table = Table(box=None, header_style="bold", padding=(0, 2, 1, 0))
    for name in ("name", "kind", "what it is", "parts", "terms"):
        table.add_column(name, overflow="fold")
    for dataset in DATASETS.all():
        table.add_row(dataset.name, dataset.kind, dataset.about, ", ".join(dataset.splits), dataset.licence)
    view.console.print(table)


def show_step(run: Path, step: int, limit: int, view: View) -> None:
    """Print the texts of the windows that a step of a run read, in their order."""
    folder = RunFolder.existing(run)
    recipe = read_recipe(folder.recipe)
    if not 1 <= step <= recipe.train.steps:
        raise UserError(f"--step {step} is not a step of {run}. It has the steps 1 to {recipe.train.steps}.")
    prepared = prepare(recipe, view, known_as=folder.data_known_as)
    refuse_changed_data(folder, prepared.facts())
    batches = make_batches(recipe, prepared)
    windows = batches.indices(step - 1)
    view.say(f"Step {step} of {run} read {len(windows)} windows of {recipe.train.sequence_length} tokens.")
    for window in windows[:limit]:
        ids = batches.windows[window][0].tolist()
        view.say(f"--- window {window}")
        view.say(prepared.tokenizer.decode(ids))


def show_documents(source: str, limit: int, view: View, *, column: str = "text") -> None:
    """Print the first documents of a source, or of the one that a recipe names; examples in words."""
    data, seed = DataSettings(source=source, column=column), 1
    if source.endswith(".toml"):
        recipe = read_recipe(source)
        data, seed = recipe.data, recipe.seed
    for number, text in enumerate(itertools.islice(_documents(data, seed, view), limit)):
        view.say(f"--- document {number}, {len(text.encode()):,} bytes")
        view.say(text)


def _documents(data: DataSettings, seed: int, view: View) -> Iterator[str]:
    """What there is to show of a source: its texts to learn from, or its examples in words."""
    dataset = find_dataset(data.source) if is_dataset(data.source) else None
    if dataset and dataset.kind != "texts":
        return read_pieces([with_progress(piece, view) for piece in dataset.pieces_of("train", seed)])
    return open_source(data, seed, view).to_learn()
