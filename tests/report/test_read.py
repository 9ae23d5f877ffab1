"""A run's folder is read as it is: finished, running, cut off in the middle of a line, or no run at all."""

import json

import pytest

from groundup.errors import UserError
from groundup.report.read import read


def test_a_finished_run_is_read_whole(make_run):
    run = read(make_run())
    assert (run.name, run.status, run.steps, run.last_step, run.floor) == ("small", "finished", 100, 100, 0.5)
    assert [point.step for point in run.validation] == list(range(0, 101, 10))
    assert (run.train[0].step, run.train[-1].tokens, len(run.samples)) == (1, 102_400, 3)
    assert run.scores[0].interval == (0.51, 0.53)
    assert run.skipped == ()


def test_a_last_line_without_its_end_is_still_being_written_and_no_fault(make_run):
    folder = make_run()
    with open(folder / "metrics.jsonl", "a") as file:
        file.write('{"kind": "train", "step": 101, "lo')
    run = read(folder)
    assert (run.last_step, run.skipped) == (100, ())


def test_an_unreadable_line_in_the_middle_is_counted_and_named(make_run):
    folder = make_run()
    whole = (folder / "metrics.jsonl").read_text()
    (folder / "metrics.jsonl").write_text('{"kind": "train", "st\n[1, 2]\n"text"\n' + whole)
    run = read(folder)
    assert run.skipped == ("3 unreadable lines of metrics.jsonl",)
    assert len(run.train) == 100


def test_of_two_lines_of_one_step_the_newer_one_counts(make_run):
    lines = [{"kind": "train", "step": step, "loss": loss} for step, loss in ((1, 5.0), (2, 4.0), (2, 3.0))]
    assert [point.loss for point in read(make_run(metrics=lines)).train] == [5.0, 3.0]


def test_a_kind_of_line_that_is_not_known_yet_is_no_fault(make_run):
    run = read(make_run(metrics=[{"kind": "tasks", "step": 1}, {"kind": "train", "step": 1, "loss": 2.0}]))
    assert (len(run.train), run.skipped) == (1, ())


def test_a_sample_with_an_unusable_mistake_is_counted_not_half_shown(make_run):
    sample = make_run.sample(0, 100, "Once", " more") | {"mistake": {"position": "four", "word": "x"}}
    assert read(make_run(samples=[sample])).skipped == ("1 unreadable line of samples.jsonl",)


def test_a_run_that_has_only_begun_is_read_as_empty_lists(make_run):
    folder = make_run(status="running")
    for name in ("metrics.jsonl", "timing.jsonl", "samples.jsonl", "evaluation.json", "recipe.toml"):
        (folder / name).unlink()
    run = read(folder)
    assert (run.train, run.validation, run.samples, run.scores, run.recipe) == ([], [], [], [], "")


@pytest.mark.parametrize("content", [None, "{", "[]", "\x00"])
def test_a_folder_that_is_no_run_is_one_clear_line(make_run, content):
    folder = make_run()
    (folder / "run.json").unlink()
    if content is not None:
        (folder / "run.json").write_text(content)
    with pytest.raises(UserError, match=r"run\.json") as caught:
        read(folder)
    assert "\n" not in str(caught.value)


def test_numbers_that_are_none_or_infinite_do_not_stop_the_reading(make_run):
    facts = {"parameters": None, "steps": "many", "seconds": 1e999, "data": None, "floor_bits_per_byte": True}
    run = read(make_run(floor=None, facts=facts))
    assert (run.steps, run.floor) == (None, None)


def test_broken_scores_are_named_and_the_rest_is_kept(make_run):
    folder = make_run()
    (folder / "evaluation.json").write_text(json.dumps({"task": "perplexity"}))
    run = read(folder)
    assert (run.scores, run.skipped, len(run.train)) == ([], ("evaluation.json",), 100)
