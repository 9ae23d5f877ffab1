"""`groundup classify`: labels with their probabilities, and one line for what cannot be sorted."""

import gzip
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from groundup.model.classifier import Classifier
from groundup.weights.folder import save
from tests.cli.conftest import Said

Call = Callable[..., Said]
TEXTS = ["Win a prize!", "Ok, see you"]


@pytest.fixture
def model(make_loaded, tmp_path: Path) -> Path:
    """The folder of a tiny classifier."""
    loaded = make_loaded(shake=0.5)
    loaded.model = Classifier(loaded.model, 3, generator=torch.Generator().manual_seed(0)).eval()
    with torch.no_grad():
        loaded.model.head.weight *= 50
    loaded.labels = ("ham", "other", "spam")
    return save(tmp_path / "model", loaded)


def expected(folder: Path, text: str) -> dict[str, float]:
    """What transformers says."""
    from transformers import pipeline

    ask: Any = pipeline("text-classification", model=str(folder), top_k=None, device="cpu")
    return {found["label"]: found["score"] for found in ask([text])[0]}


def test_json_gives_each_text_its_label_and_the_probabilities_that_transformers_gives(model, groundup: Call):
    said = groundup("classify", model, *TEXTS, "--json", "--device", "cpu")
    assert (said.code, said.err) == (0, "")
    rows = [json.loads(line) for line in said.out.splitlines()]
    assert [row["text"] for row in rows] == TEXTS
    for row in rows:
        theirs = expected(model, row["text"])
        assert row["probabilities"] == pytest.approx(theirs, abs=1e-5)
        assert list(row["probabilities"]) == ["ham", "other", "spam"]
        assert row["label"] == max(theirs, key=theirs.__getitem__)


def test_a_person_sees_label_probabilities_and_how_the_text_begins(model, groundup: Call):
    said = groundup("classify", model, TEXTS[0], "a\nb", "--device", "cpu")
    number = r"[01]\.\d{3}"
    line = rf"(ham|other|spam) +ham {number}  other {number}  spam {number}   "
    first, second = said.out.splitlines()
    assert re.fullmatch(line + TEXTS[0], first)
    assert re.fullmatch(line + "a b", second)


def test_files_of_lines_and_of_records_give_the_same(model, tmp_path: Path, groundup: Call):
    (tmp_path / "lines.txt").write_text("\r\n".join(TEXTS) + "\r\n")
    rows = "\n".join(json.dumps({"text": text, "more": 1}) for text in TEXTS)
    (tmp_path / "rows.jsonl.gz").write_bytes(gzip.compress(rows.encode()))
    typed = groundup("classify", model, *TEXTS, "--json").out
    for name in ("lines.txt", "rows.jsonl.gz"):
        assert groundup("classify", model, "--file", tmp_path / name, "--json").out == typed


def test_what_is_longer_than_the_context_is_told(model, groundup: Call):
    said = groundup("classify", model, "abcdefghijklmnopqrst", "ok")
    assert said.code == 0 and len(said.out.splitlines()) == 2
    assert said.err.startswith("1 of 2 texts are longer than 16 tokens: their ends, 18.2% of all tokens")


BAD = {
    "nothing": ([], "There is no text to sort"),
    "an empty text": (["ok", " "], "Text 2 is empty"),
    "text and file": (["ok", "--file", "{}/lines.txt"], "Give the one or the other"),
    "no such file": (["--file", "{}/none.txt"], "There is no file"),
    "an empty file": (["--file", "{}/empty.txt"], "There is no text to sort"),
    "an empty line": (["--file", "{}/lines.txt"], "Line 2 of {}/lines.txt is empty"),
    "a record without text": (["--file", "{}/rows.jsonl"], "Record 2 of {}/rows.jsonl is no text: line 2"),
    "not UTF-8": (["--file", "{}/latin.txt"], "is not UTF-8"),
    "no such device": (["ok", "--device", "tpu"], "The device 'tpu' is not there"),
}


@pytest.mark.parametrize("words, told", BAD.values(), ids=BAD)
def test_what_cannot_be_sorted_is_one_line(model, tmp_path: Path, groundup: Call, words, told: str):
    (tmp_path / "lines.txt").write_text("ok\n\nno\n")
    (tmp_path / "empty.txt").write_text("")
    (tmp_path / "rows.jsonl").write_text('{"text": "ok"}\n{"text": 3}\n')
    (tmp_path / "latin.txt").write_bytes(b"na\xefve")
    said = groundup("classify", model, *(word.format(tmp_path) for word in words))
    assert (said.code, said.out) == (2, "")
    assert said.err.startswith("groundup: ") and said.err.count("\n") == 1, said.err
    assert told.format(tmp_path) in said.err


def test_a_model_without_a_head_is_one_line_with_the_remedy(make_loaded, tmp_path: Path, groundup: Call):
    said = groundup("classify", save(tmp_path / "plain", make_loaded()), "ok")
    assert said.code == 2 and said.err.count("\n") == 1
    assert "plain has no head that sorts texts. Teach it one with groundup finetune" in said.err


@pytest.mark.parametrize("verb", ["generate", "evaluate", "import", "export"])
def test_verbs_for_other_models_send_a_classifier_here(model, tmp_path: Path, groundup: Call, verb: str):
    more = {"generate": ["Once"], "evaluate": ["--data", __file__]}.get(verb, [tmp_path / "new"])
    said = groundup(verb, model, *more)
    assert said.code == 2 and said.err.count("\n") == 1, said.err
    assert f'Sort with it: groundup classify {model} "text".' in said.err
