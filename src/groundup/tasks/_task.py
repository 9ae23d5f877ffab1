"""What every task is: a name, a version, and a function from a model and texts to scores."""

from collections.abc import Callable
from dataclasses import dataclass

from groundup.evaluation.score import Score
from groundup.evaluation.texts import Texts
from groundup.weights.folder import Loaded

Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class Task:
    """One evaluation. `score` returns the headline first, then what else was measured on the way."""

    name: str
    about: str
    version: int  # raised whenever the same model would get another number
    score: Callable[[Loaded, Texts, Progress | None], list[Score]]
