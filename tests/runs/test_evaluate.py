"""Which tasks are asked of which texts, and what is said of their scores."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from groundup.datasets import DATASETS
from groundup.errors import UserError
from groundup.evaluation.score import Score
from groundup.runs.evaluate import show, tasks_for
from groundup.runs.folder import RunFolder
from groundup.runs.pretrain import pretrain
from groundup.tasks import TASKS
from tests.runs.conftest import quiet_view, said, tiny_recipe


@pytest.fixture
def book(tmp_path: Path) -> Path:
    """A text that is not of the village."""
    path = tmp_path / "book.txt"
    path.write_text("".join(f"It was the {number}th of times.\n\n" for number in range(300)))
    return path


@pytest.fixture(scope="module")
def village_run(tmp_path_factory: pytest.TempPathFactory) -> RunFolder:
    """A finished run that is asked all tasks of the village."""
    recipe = tiny_recipe("evaluate.tasks=['perplexity', 'village']", "train.steps=4")
    return pretrain(recipe, tmp_path_factory.mktemp("runs") / "tiny", quiet_view(), device="cpu")


def test_each_text_gets_the_tasks_that_can_be_asked_of_it() -> None:
    assert tasks_for(DATASETS.get("village").sample()) == TASKS.names()
    assert tasks_for(["Call me Ishmael."]) == ["perplexity"]
    assert tasks_for([*DATASETS.get("village").sample(), "Call me Ishmael."]) == ["perplexity"]


def test_a_run_follows_what_each_cause_costs_and_the_parts_add_up(village_run: RunFolder) -> None:
    lines = [line for line in village_run.lines("metrics") if line["kind"] == "validation"]
    assert len(lines) == 2
    for line in lines:
        total = (line["bits_per_byte"] - line["floor_bits_per_byte"]) * line["bytes"] / line["documents"]
        assert sum(line["excess_bits_per_document"].values()) == pytest.approx(total, rel=1e-6)
        assert 0 <= line["facts_learned"] <= 1
    first, last = (sum(line["excess_bits_per_document"].values()) for line in lines)
    assert last < first


def test_the_scores_of_a_run_and_its_report_tell_facts_causes_and_possible_documents(
    village_run: RunFolder,
) -> None:
    rows = {row["metric"]: row for row in village_run.read_evaluation() if row["task"] == "village"}
    assert rows["facts_learned"]["chance"] > 0
    assert len(rows["possible_samples"]["details"]["samples"]) == rows["possible_samples"]["n"]
    page = (village_run.path / "report.html").read_text(encoding="utf-8")
    for words in ("What it has learned", "Facts learned:", "Possible documents:", "Document 1"):
        assert words in page


def test_a_task_that_the_texts_are_not_for_is_refused_before_the_training(
    run_tiny: Callable[..., RunFolder], book: Path, tmp_path: Path
) -> None:
    with pytest.raises(UserError, match=r"village needs documents of the village; .*book.txt has others"):
        run_tiny(f"data.source={book}", "evaluate.tasks=['village']", "data.max_tokens=0")
    assert not (tmp_path / "tiny" / "metrics.jsonl").exists()


def test_scores_are_told_in_plain_sentences_and_in_a_table(village_run: RunFolder) -> None:
    rows: list[dict[str, Any]] = village_run.read_evaluation()
    scores = [Score(**{name: value for name, value in row.items() if name != "step"}) for row in rows]
    view = quiet_view()
    show(scores, view)
    told = said(view)
    assert told.startswith("Loss on new text: ")
    for words in ("% above the best possible.", "Facts learned: ", "Possible documents: ", "chance"):
        assert words in told
