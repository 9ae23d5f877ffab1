"""The report of a fine-tuned model: held-out loss, answers, and which label was taken for which."""

import json
from pathlib import Path
from typing import Any

import groundup.report
from groundup.report.read import read


def make(folder: Path, method: str, lines: list[dict[str, Any]], **more: Any) -> Path:
    facts = {"name": "t", "status": "finished", "method": method, "base": "x", "seconds": 65, "unit": "texts"}
    facts |= {
        "parameters": 2_000_000,
        "parameters_that_learn": 20_000,
        "data": {"source": "/a/b.tsv"},
        **more,
    }
    (folder / "run.json").write_text(json.dumps(facts))
    train = [{"kind": "train", "step": n, "loss": 1 / n, "tokens": 8 * n} for n in range(1, 5)]
    text = "".join(json.dumps(line) + "\n" for line in [*lines, *train])
    (folder / "metrics.jsonl").write_text(text)
    return folder


def held_out(step: int, loss: float, accuracy: float) -> dict[str, Any]:
    found = {"kind": "validation", "step": step, "loss": loss, "accuracy": accuracy}
    return found | {"loss_interval": [loss - 0.1, loss + 0.1], "accuracy_interval": [0.1, 0.9]}


def test_a_classifier_s_page_tells_its_accuracy_and_what_was_taken_for_what(tmp_path):
    folder = make(tmp_path, "classify", [held_out(0, 0.7, 0.5), held_out(4, 0.2, 0.875)])
    details = {"labels": ["ham", "<spam>"], "confusion": [[31, 2], [5, 17]]}
    score = {"task": "labels", "metric": "accuracy", "value": 0.875, "step": 4, "details": details}
    (folder / "evaluation.json").write_text(json.dumps([score]))
    page = groundup.report.write(folder).read_text("utf-8")
    assert "A model learned to sort texts from b.tsv" in page
    assert "88\N{NO-BREAK SPACE}% of held-out texts are sorted right" in page
    assert "20,000 learned (1.0\N{NO-BREAK SPACE}%)" in page
    table = page[page.index("What was taken for what") :]
    assert "&lt;spam&gt;" in table and all(f"<div>{number}</div>" in table for number in (31, 2, 5, 17))
    assert "nats per text" in page and "groundup classify" in page
    assert "88 % of held-out texts" in groundup.report.describe(folder)


def test_answers_stand_beside_what_was_expected(tmp_path):
    folder = make(tmp_path, "answers", [held_out(0, 3.0, 0.1), held_out(4, 2.0, 0.2)], unit="tokens")
    lines = [
        {"messages": [{"role": "user", "content": f"Q{n}?"}], "answer": f"A{n}", "reference": f"R{n}"}
        for n in range(12)
    ]
    (folder / "responses.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    page = groundup.report.write(folder).read_text("utf-8")
    assert "from 3.00 to 2.00 nats per token" in page
    assert "Q9?" in page and "A9" in page and "R9" in page and "Q10?" not in page


def test_a_loss_that_rises_again_is_said(tmp_path):
    lines = [held_out(step, loss, 0.5) for step, loss in ((0, 2.0), (2, 1.0), (4, 1.5))]
    folder = make(tmp_path, "dpo", lines)
    page = groundup.report.write(folder).read_text("utf-8")
    assert "lowest, 1.000, at step 2, and rose after that" in page
    assert [point.step for point in read(folder).held_out] == [0, 2, 4]
