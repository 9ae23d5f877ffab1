"""What every task is: a name, a version, and a function from a model and texts to scores."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from groundup.errors import UserError
from groundup.evaluation.score import Likelihoods, Score
from groundup.evaluation.texts import Texts
from groundup.text.tokenizer import Tokenizer
from groundup.weights.folder import Loaded

Progress = Callable[[int, int], None]
Follow = Callable[[Likelihoods], dict[str, Any]]


@dataclass(frozen=True)
class Task:
    """One evaluation. `score` returns the headline first, then what else was measured on the way.

    A task that asks for certain texts says which in `needs`, and `fits(text)` says whether a document is one.
    One that can be told from the likelihoods of the texts alone may be followed while a model learns:
    `follow(tokenizer, texts)` gives a function from likelihoods to what is worth a line in metrics.jsonl.
    """

    name: str
    about: str
    version: int  # raised whenever the same model would get another number
    score: Callable[[Loaded, Texts, Progress | None], list[Score]]
    needs: str = "any texts"
    fits: Callable[[str], bool] = lambda text: True
    follow: Callable[[Tokenizer, Texts], Follow] | None = None


def refuse_unfit(tasks: Iterable[Task], tokenizer: Tokenizer, texts: Texts) -> None:
    """UserError if a task cannot be asked of these texts, judged by the first of them."""
    for task in tasks:
        if not task.fits(texts.text(tokenizer, 0)):
            raise UserError(
                f"The task {task.name} needs {task.needs}; {texts.source} has others. Leave the task out."
            )
