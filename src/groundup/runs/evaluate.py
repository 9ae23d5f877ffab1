"""Evaluation: run tasks on a model, and keep what they found."""

from collections.abc import Sequence
from pathlib import Path

from rich.table import Table

from groundup.data.piece import Report
from groundup.data.shards import open_shards
from groundup.errors import UserError
from groundup.evaluation.score import Score
from groundup.evaluation.texts import Texts
from groundup.report import tell
from groundup.runs.folder import RunFolder
from groundup.runs.prepare import open_source, tell_left_out
from groundup.runs.recipe import DataSettings
from groundup.system.files import write_json
from groundup.system.progress import View
from groundup.tasks import TASKS
from groundup.tasks._task import refuse_unfit
from groundup.weights.checkpoints import best_checkpoint
from groundup.weights.folder import Loaded, model_folder, need_decoder


def run_tasks(loaded: Loaded, names: Sequence[str], texts: Texts, view: View) -> list[Score]:
    """The scores of all tasks named, in order.

    UserError for an unknown one, or one that these texts are not for, before anything is computed.
    """
    tasks = [TASKS.get(name) for name in names]
    refuse_unfit(tasks, loaded.tokenizer, texts)
    scores: list[Score] = []
    for task in tasks:
        with view.phase(f"Evaluating {task.name}") as progress:
            scores += task.score(loaded, texts, progress)
    return scores


def tasks_for(documents: Sequence[str]) -> list[str]:
    """The names of all tasks that can be asked of documents like these."""
    return [task.name for task in TASKS.all() if all(map(task.fits, documents))]


def evaluate_run(
    folder: RunFolder, loaded: Loaded, names: Sequence[str], texts: Texts, view: View, *, step: int
) -> list[Score]:
    """Run tasks on a run's model as it is after `step`, and put their scores into evaluation.json."""
    scores = run_tasks(loaded, names, texts, view)
    earlier = [row for row in folder.read_evaluation() if row.get("step", 0) < step]
    write_json(folder.evaluation, [*earlier, *({"step": step, **score.as_json()} for score in scores)])
    return scores


def tell_checkpoint(where: Path, view: View) -> None:
    """Of a run that has not ended: say which checkpoint stands for it."""
    run, folder = RunFolder(where), model_folder(where)
    if folder.parent == run.checkpoints:
        best = best_checkpoint(run.checkpoints)
        lowest = "" if best in (None, folder) else f" The validation loss was lowest in {best}."
        view.say(f"{where} is {run.status or 'unfinished'}; measured is {folder.name}, its newest.{lowest}")


def texts_for(loaded: Loaded, model: Path, data: str | None, max_tokens: int, view: View) -> Texts:
    """What to evaluate on: a file, a folder or a dataset's name, else the validation part of the model's run.

    UserError if there is no such part, or the prepared validation part is gone.
    """
    need_decoder(loaded)
    if data is not None:
        return texts_of_source(loaded, data, max_tokens, view)
    run = next((RunFolder(p) for p in (model, *model.parents) if (p / "run.json").is_file()), None)
    if run is None:
        raise UserError(
            f"{model} is no run, so nobody knows what to evaluate on. Add --data FILE, or --data village."
        )
    facts = run.read_facts()["data"]
    if "folder" not in facts:
        raise UserError(
            f"{run.path} was tuned on examples, not on a text; what they gave is in {run.evaluation}. To "
            f"score its model on a text, add --data FILE."
        )
    kept = Path(facts["folder"]) / "validation"
    if not (kept / "manifest.json").is_file():
        raise UserError(f"The prepared validation data of {run.path} are gone. Add --data {facts['source']}.")
    source = f"the validation part of {facts['source']}"
    return Texts.from_shard(open_shards(kept), loaded.tokenizer, max_tokens, source=source)


def texts_of_source(loaded: Loaded, data: str, max_tokens: int, view: View) -> Texts:
    """The validation part of a dataset, or the whole of a file or folder."""
    source, report = open_source(DataSettings(source=data), 1, view), Report()
    limit = max_tokens or (100_000 if source.endless else 0)
    documents = source.to_evaluate(report)
    texts = Texts.from_strings(
        loaded.tokenizer, documents, source.floor, max_tokens=limit, source=source.name
    )
    tell_left_out(data, report, view)
    return texts


def show(scores: Sequence[Score], view: View) -> None:
    """The scores in plain sentences, and as a table: value, interval, number of items, chance."""
    for says in tell([score.as_json() for score in scores]):
        view.say(says)
    view.say("")
    table = Table(box=None, header_style="bold")
    for name in ("task", "metric", "value", "95 % interval", "n", "chance"):
        table.add_column(name, overflow="fold")  # a number is never shortened
    for score in scores:
        interval = "" if score.interval is None else f"{score.interval[0]:.4g} to {score.interval[1]:.4g}"
        chance = "" if score.chance is None else f"{score.chance:.4g}"
        table.add_row(score.task, score.metric, f"{score.value:.4g}", interval, f"{score.n:,}", chance)
    view.console.print(table)
    for protocol in dict.fromkeys(score.protocol for score in scores):
        view.say(protocol)
