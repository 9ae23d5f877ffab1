"""The evaluations, one file each."""

from collections.abc import Sequence

from groundup.datasets import DATASETS
from groundup.evaluation.score import Score
from groundup.evaluation.texts import Texts
from groundup.registry import Folder
from groundup.tasks._task import Task
from groundup.weights.folder import Loaded

TASKS: Folder[Task] = Folder("groundup.tasks", "TASK", "task")

VILLAGE_DOCUMENTS = 200


def evaluate(
    loaded: Loaded, task: str | Task, *, documents: Sequence[str] | None = None, limit: int | None = None
) -> Score:
    """The headline of one task on a model.

    documents: what to evaluate on; by default unseen documents of the village. limit: the first so many only.
    """
    found = TASKS.get(task) if isinstance(task, str) else task
    floor = None
    if documents is None:
        village = DATASETS.get("village")
        unseen = village.documents("validation", 1)
        documents, floor = [next(unseen) for _ in range(limit or VILLAGE_DOCUMENTS)], village.floor
    texts = Texts.from_strings(loaded.tokenizer, documents[:limit], floor)
    return found.score(loaded, texts, None)[0]
