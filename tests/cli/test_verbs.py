"""Every verb does its work on real, small input."""

import importlib.metadata
import json
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from transformers import BertConfig, BertForMaskedLM

from groundup.cli import VERBS
from groundup.runs.folder import RunFolder
from groundup.settings import to_toml
from groundup.text.tokenizer import Tokenizer
from groundup.weights.folder import load
from tests.cli.conftest import Said
from tests.runs.conftest import TINY

Call = Callable[..., Said]


@pytest.mark.parametrize("name", VERBS.names())
def test_every_verb_has_help_with_an_example(name: str, groundup: Call) -> None:
    said = groundup(name, "--help")
    assert said.code == 0
    assert "Usage: groundup" in said.out
    if "Commands:" not in said.out:
        assert "Examples:" in said.out


@pytest.mark.parametrize(
    "words", [("data", "show"), ("data", "prepare"), ("tokenizer", "train"), ("tokenizer", "show")]
)
def test_every_inner_verb_has_help_with_an_example(words: tuple[str, str], groundup: Call) -> None:
    said = groundup(*words, "--help")
    assert said.code == 0
    assert "Examples:" in said.out


def test_generate_begins_with_the_prompt_and_is_repeatable(a_run: RunFolder, groundup: Call) -> None:
    first = groundup("generate", a_run.path, "Ana", "--max-tokens", "20", "--seed", "3")
    again = groundup("generate", a_run.path, "Ana", "--max-tokens", "20", "--seed", "3")
    other = groundup("generate", a_run.path, "Ana", "--max-tokens", "20", "--seed", "4")
    assert first.code == 0
    assert first.out.startswith("Ana")
    assert first.out == again.out != other.out


def test_generate_gives_as_many_samples_as_asked(a_run: RunFolder, groundup: Call) -> None:
    said = groundup(
        "generate", a_run.path, "Tom", "--samples", "3", "--max-tokens", "5", "--temperature", "0"
    )
    assert said.out.count("Tom") == 3


def test_generate_continues_several_prompts_in_their_order_and_tells_the_speed(
    a_run: RunFolder, tmp_path: Path, groundup: Call
) -> None:
    (tmp_path / "prompts.txt").write_text("Ana\nTom met\n", encoding="utf-8")
    how = (
        "--max-tokens",
        "12",
        "--top-k",
        "0",
        "--min-p",
        "0.01",
        "--repetition-penalty",
        "1.1",
        "--seed",
        4,
    )
    typed = groundup("generate", a_run.path, "Ana", "Tom met", "--samples", "2", *how)
    read = groundup("generate", a_run.path, "--file", tmp_path / "prompts.txt", "--samples", "2", *how)
    assert typed.code == 0, typed.err
    assert typed.out == read.out
    alone = [
        groundup("generate", a_run.path, prompt, *how[:-1], seed).out
        for prompt in ("Ana", "Tom met")
        for seed in (4, 5)
    ]
    assert typed.out == "\n".join(alone)
    assert re.search(r"^\d+ tokens in [\d.]+ s: [\d,]+ tokens a second", typed.err)


def test_generate_tells_where_the_context_was_full_and_can_slide_on(a_run: RunFolder, groundup: Call) -> None:
    limit = load(a_run.path).config.context_length
    how = ("--max-tokens", limit + 20, "--temperature", "100", "--top-k", "0")
    ended = groundup("generate", a_run.path, *how, "--seed", "1")
    assert f"1 of 1 texts ended because the context of {limit} tokens was full; --slide goes on." in ended.err
    slid = groundup("generate", a_run.path, *how, "--seed", "1", "--slide")
    assert len(slid.out) > len(ended.out)
    assert "--slide" not in slid.err


def test_evaluate_prints_intervals_and_writes_json(a_run: RunFolder, tmp_path: Path, groundup: Call) -> None:
    said = groundup("evaluate", a_run.path, "--output", tmp_path / "scores.json")
    assert said.code == 0
    assert "bits_per_byte" in said.out
    scores = json.loads((tmp_path / "scores.json").read_text())
    kept = json.loads(a_run.evaluation.read_text())
    # Without --tasks all are asked that the texts are for, and the recipe asked only for the first.
    assert [score["metric"] for score in scores[: len(kept)]] == [score["metric"] for score in kept]
    assert "facts_learned" in said.out
    assert scores[0]["value"] == pytest.approx(kept[0]["value"], rel=1e-6)


def test_evaluate_takes_another_text_and_the_village(a_run: RunFolder, book: Path, groundup: Call) -> None:
    own = groundup("evaluate", a_run.path, "--data", book)
    assert "bits_per_byte" in own.out
    assert "Left out: the task village, which needs documents of the village." in own.out
    village = groundup("evaluate", a_run.path, "--data", "village", "--max-tokens", "2000")
    assert "excess_percent" in village.out


def test_the_version_is_told(groundup: Call) -> None:
    assert groundup("--version").out == f"groundup {importlib.metadata.version('groundup')}\n"


def test_report_tells_the_run_in_words(a_run: RunFolder, groundup: Call) -> None:
    said = groundup("report", a_run.path)
    assert said.code == 0
    assert "bits per byte" in said.out
    assert str(a_run.path / "report.html") in said.out


def test_data_show_prints_the_windows_of_a_step(a_run: RunFolder, groundup: Call) -> None:
    said = groundup("data", "show", a_run.path, "--step", "2", "--limit", "3")
    assert said.code == 0
    assert said.out.count("--- window") == 3


def test_data_show_prints_documents_of_a_source(book: Path, groundup: Call) -> None:
    assert "the miller carried" in groundup("data", "show", book).out
    assert groundup("data", "show", "village", "--limit", "2").out.count("--- document") == 2


def test_a_tokenizer_is_learned_saved_and_shown(book: Path, tmp_path: Path, groundup: Call) -> None:
    said = groundup("tokenizer", "train", book, tmp_path / "mine", "--vocab-size", "300")
    assert said.code == 0
    assert "300 tokens" in said.out
    shown = groundup("tokenizer", "show", tmp_path / "mine", "the miller carried")
    assert "bytes a token" in shown.out
    ids = [int(word) for word in shown.out.splitlines()[1].split()]
    transformers = pytest.importorskip("transformers")
    theirs = transformers.AutoTokenizer.from_pretrained(tmp_path / "mine")
    assert theirs.encode("the miller carried") == ids
    beside = groundup("tokenizer", "show", tmp_path / "mine", "--file", book, "--compare", "bytes")
    assert beside.code == 0
    assert "times as many tokens as bytes" in beside.out
    assert "Places where they cut differently" in beside.out


def test_pretrain_takes_a_text_without_a_recipe(book: Path, tmp_path: Path, groundup: Call) -> None:
    said = groundup("pretrain", book, "train.steps=3", "--minutes", "0.02", "--runs", tmp_path / "runs")
    assert said.code == 0, said.err
    assert "Chosen for" in said.out
    run = RunFolder(tmp_path / "runs/my_book")
    assert run.read_facts()["status"] == "finished"
    assert "generate" in said.out
    assert groundup("pretrain", book, "--runs", tmp_path / "runs").code == 2
    again = groundup("pretrain", run.recipe, "name=again", "--runs", tmp_path / "runs")
    assert again.code == 0, again.err


def test_pretrain_can_only_estimate_and_a_size_makes_the_shape(tmp_path: Path, groundup: Call) -> None:
    recipe = tmp_path / "sized.toml"
    recipe.write_text(to_toml({**TINY, "model": {"family": "gpt2", "size": "300k"}}), encoding="utf-8")
    said = groundup("pretrain", recipe, "--estimate", "--runs", tmp_path / "runs", "--device", "cpu")
    assert said.code == 0, said.err
    told = re.search(r"Model: (\d) layers of width (\d+) with \d heads?: ([\d,]+) parameters", said.out)
    assert told
    assert not (tmp_path / "runs").exists()
    words = (recipe, "train.steps=2", "--runs", tmp_path / "runs", "--device", "cpu")
    ran = groundup("pretrain", *words)
    assert ran.code == 0, ran.err
    assert told[0] in ran.out
    run = RunFolder(tmp_path / "runs/tiny")
    assert run.read_facts()["parameters"] == int(told[3].replace(",", ""))
    again = groundup("pretrain", *words)  # the same command meets the same run, and no other recipe
    assert "is finished" in again.err and "report" in again.err


def test_the_demo_runs_ends_with_three_commands_and_can_be_run_again(tmp_path: Path, groundup: Call) -> None:
    said = groundup("demo", "--minutes", "0.02", "--runs", tmp_path)
    assert said.code == 0, said.err
    assert "Three things to do next:" in said.out
    for word in ("generate", "pretrain my_book.txt", "lessons/01"):
        assert word in said.out
    again = groundup("demo", "--runs", tmp_path)
    assert again.code == 0
    assert "There is a finished demo" in again.out


def test_another_text_of_the_same_name_is_not_taken_for_the_finished_run(
    book: Path, tmp_path: Path, groundup: Call
) -> None:
    assert (
        groundup("pretrain", book, "train.steps=2", "--minutes", "0.02", "--runs", tmp_path / "runs").code
        == 0
    )
    other = tmp_path / "other" / book.name
    other.parent.mkdir()
    other.write_text("Quite another text, about a ferry and a bell.\n" * 400, encoding="utf-8")
    said = groundup("pretrain", other, "--runs", tmp_path / "runs")
    assert said.code == 2
    assert "is a run on" in said.err
    assert "name=NAME" in said.err


def test_output_into_a_closed_pipe_ends_quietly(a_run: RunFolder) -> None:
    words = f"{sys.executable} -m groundup generate {a_run.path} --max-tokens 60 --samples 50 | head -c 5"
    script = f"set -o pipefail; {words}; echo code $?"
    done = subprocess.run(["bash", "-c", script], capture_output=True, timeout=60)
    assert b"code 1" in done.stdout
    assert done.stderr == b""


def test_texts_in_another_column_are_shown_and_learned_from(tmp_path: Path, groundup: Call) -> None:
    lines = [f'{{"body": "Tale {number} of a lamp and a well."}}' for number in range(300)]
    source, folder = tmp_path / "tales.jsonl", tmp_path / "mine"
    source.write_text("\n".join(lines), encoding="utf-8")
    assert "--column" in groundup("data", "show", source).err
    assert "Tale 0 of a lamp" in groundup("data", "show", source, "--column", "body").out
    learned = groundup("tokenizer", "train", source, folder, "--vocab-size", "270", "--column", "body")
    assert learned.code == 0
    assert (folder / "tokenizer.json").is_file()


def test_data_show_of_a_recipe_shows_the_texts_it_names(tmp_path: Path, groundup: Call) -> None:
    recipe = tmp_path / "mine.toml"
    recipe.write_text(to_toml(TINY), encoding="utf-8")  # its source is the village
    assert groundup("data", "show", recipe).out == groundup("data", "show", "village").out


def test_data_prepare_tells_what_there_is(tmp_path: Path, groundup: Call) -> None:
    (tmp_path / "r.toml").write_text(to_toml(TINY), encoding="utf-8")
    said = groundup("data", "prepare", tmp_path / "r.toml")
    assert said.code == 0, said.err
    assert "for validation" in said.out


@pytest.mark.filterwarnings("default")
def test_a_warning_is_one_line_without_a_place_in_the_code(
    groundup: Call, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    sizes: dict[str, Any] = {
        "hidden_size": 16,
        "num_hidden_layers": 1,
        "num_attention_heads": 2,
        "intermediate_size": 16,
    }
    BertForMaskedLM(BertConfig(vocab_size=264, **sizes)).save_pretrained(tmp_path / "theirs")
    Tokenizer.from_bytes().save(tmp_path / "theirs")
    capsys.readouterr()
    said = groundup("export", tmp_path / "theirs", tmp_path / "ours", "--verify")
    assert said.code == 0
    assert said.err == "groundup: The weights have no pooler: the model does without.\n"
