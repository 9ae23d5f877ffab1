"""The evaluations, one file each."""

from collections.abc import Sequence

from groundup.datasets import DATASETS
from groundup.evaluation.score import Score
from groundup.evaluation.texts import Texts
from groundup.registry import Folder
from groundup.tasks._task import Task, refuse_unfit
from groundup.weights.folder import Loaded, need_decoder

TASKS: Folder[Task] = Folder("groundup.tasks", "TASK", "task")

VILLAGE_DOCUMENTS = 200


def evaluate(
    loaded: Loaded, task: str | Task, *, documents: Sequence[str] | None = None, limit: int | None = None
) -> Score:
    """The headline of one task on a model.

    documents: what to evaluate on; by default unseen documents of the village, whose best possible loss is
    known. limit: the first so many only. The score's `protocol` names the texts.
    """
    need_decoder(loaded)
    found = TASKS.get(task) if isinstance(task, str) else task
    floor, source = None, "given texts"
    if documents is None:
        village = DATASETS.get("village")
        unseen = village.documents("validation", 1)
        documents, floor, source = (
            [next(unseen) for _ in range(limit or VILLAGE_DOCUMENTS)],
            village.floor,
            "village",
        )
    texts = Texts.from_strings(loaded.tokenizer, documents[:limit], floor, source=source)
    refuse_unfit([found], loaded.tokenizer, texts)
    return found.score(loaded, texts, None)[0]
