"""The page holds everything, needs nothing, and shows what comes from data as text, whatever it is."""

import random
import re
from html import unescape

import pytest

from groundup import report
from groundup.errors import UserError
from groundup.report.markup import element
from groundup.report.read import Sample
from groundup.report.samples import stages, underlined
from groundup.report.scores import Mistake

HOSTILE = " ".join(
    (
        "<script>alert(1)</script>",
        '"><img src=x onerror=alert(1)>',
        "</style></title></pre><!--",
        "&lt;b&gt; &amp; ]]>",
        "$x_{2}$ {0} %s \\",
        "' onmouseover='alert(1)",
    )
)


def sample(prompt, text, position, word, why="because"):
    return Sample(0, 0.0, prompt, text, (), Mistake(position, word, why), True)


def test_a_finished_run_has_every_section_and_both_files(make_run, read_page):
    folder = make_run()
    path = report.write(folder)
    page = read_page(path)
    assert path == folder / "report.html"
    assert (folder / "loss.png").read_bytes().startswith(b"\x89PNG")
    headings = [text for tag, text in page.texts if tag == "h2"]
    assert headings == [
        "What it writes",
        "How it learned",
        "Evaluation",
        "Data, model, machine",
        "The recipe",
        "Go on",
    ]
    assert "learning_rate = 6e-4" in page.text
    assert f"groundup generate {folder} Once" in page.text
    assert sum(tag == "svg" for tag, _ in page.tags) == 8  # two charts in two sizes, four in one
    assert [p.name for p in folder.iterdir() if p.name.startswith(".")] == []


def test_the_page_loads_nothing_runs_nothing_and_each_id_is_there_once(make_run, read_page):
    page = read_page(report.write(make_run()))
    assert not {"script", "link", "img", "iframe", "object"} & {tag for tag, _ in page.tags}
    ids = [attributes["id"] for _, attributes in page.tags if "id" in attributes]
    assert len(ids) == len(set(ids))
    values = [value for _, attributes in page.tags for value in attributes.values() if value]
    named = set(re.findall(r"(?:^|url\()#([^)\n]+)", "\n".join(values), flags=re.MULTILINE))
    assert named
    assert named <= set(ids)
    for _, attributes in page.tags:
        assert not any(name == "src" or name.startswith("on") for name in attributes)
        assert (attributes.get("href") or "#").startswith("#")
        assert "url(" not in (attributes.get("style") or "").replace("url(#", "")
    for attributes in (attributes for tag, attributes in page.tags if tag == "svg"):
        assert attributes["role"] == "img"
        assert len(attributes["aria-label"] or "") > 20


def test_hostile_texts_are_shown_as_text_everywhere(make_run, read_page):
    hostile = HOSTILE
    line = make_run.sample(0, 100, hostile, hostile)
    line["mistake"] = {"position": 1, "word": hostile, "why": hostile}
    score = {"task": hostile, "metric": hostile, "value": 1, "protocol": hostile, "version": hostile, "n": 1}
    texts = dict.fromkeys(("name", "status", "device", "family", "platform", "torch"), hostile)
    metrics = [{"kind": "train", "step": step, "loss": 2.0} for step in (1, 2)]
    folder = make_run(
        "hostile",
        metrics=metrics,
        samples=[line],
        evaluation=[score],
        recipe=hostile,
        facts={**texts, "data": {"source": hostile}},
    )
    harmless = line | {"prompt": "p", "text": "t"}
    plain = read_page(report.write(make_run("plain", metrics=metrics, samples=[harmless])))
    page = read_page(report.write(folder, commands=[(hostile, hostile)]))
    assert {tag for tag, _ in page.tags} == {tag for tag, _ in plain.tags}
    assert not any(name.startswith("on") for _, attributes in page.tags for name in attributes)
    assert page.text.count(hostile) >= 12
    assert HOSTILE in report.describe(folder)


def test_a_value_cannot_leave_its_attribute():
    assert element("p", "x", "a", data_label="\"'><b>") == (
        '<p class="a" data-label="&quot;&#x27;&gt;&lt;b&gt;">x</p>'
    )


def test_signs_that_steer_a_browser_or_terminal_are_replaced(make_run, read_page):
    text = "a\x00b\x1b[31mc\u202ed\ud800e\x9bf\nnext\tline"
    folder = make_run(samples=[make_run.sample(0, 100, "", text)])
    shown = "a\ufffdb\ufffd[31mc\ufffdd\ufffde\ufffdf\nnext\tline"
    assert shown in read_page(report.write(folder)).text
    assert not {"\x1b", "\x00", "\u202e", "\x9b"} & set(report.describe(folder))


def test_the_same_folder_gives_the_same_page(make_run):
    folder = make_run()
    first = report.write(folder).read_bytes(), (folder / "loss.png").read_bytes()
    assert (report.write(folder).read_bytes(), (folder / "loss.png").read_bytes()) == first


@pytest.mark.parametrize("missing", ["metrics", "timing", "samples", "evaluation"])
def test_a_run_that_lacks_a_part_yet_has_a_page(make_run, read_page, missing):
    page = read_page(report.write(make_run(status="running", **{missing: []})))
    assert "is learning the village corpus" in page.text


def test_a_run_that_has_only_begun_has_a_page_and_no_picture(make_run, read_page):
    folder = make_run(status="running")
    for path in folder.iterdir():
        if path.name not in ("run.json", ".lock"):
            path.unlink()
    (folder / "run.json").write_text("{}")
    assert "No validation has been measured yet" in read_page(report.write(folder)).text
    assert not (folder / "loss.png").exists()
    assert report.describe(folder).startswith("small (running)\nA GPT is learning its text")


def test_a_diverged_run_and_a_run_of_one_step_have_pages(make_run):
    numbers = (5.0, float("nan"), float("inf"), 1e30)
    lines = [{"kind": "train", "step": i, "loss": x, "gradient_norm": x} for i, x in enumerate(numbers, 1)]
    lines.append({"kind": "validation", "step": 4, "loss": float("inf"), "bits_per_byte": float("nan")})
    report.write(make_run("diverged", metrics=lines))
    report.write(
        make_run("short", metrics=lines[:1], timing=[{"step": 1, "seconds": 0, "tokens_per_second": 0}])
    )


def test_a_long_run_stays_small_and_says_what_was_brought_together(make_run, read_page):
    words = random.Random(0)
    line = {"kind": "train", "learning_rate": 1e-3, "tokens": 1}
    metrics = [
        line | {"step": s, "loss": words.random(), "gradient_norm": words.random()} for s in range(1, 8_001)
    ]
    long_text = "x y" * 3_000
    samples = [
        make_run.sample(step, 8_000, f"{i} {long_text}", long_text) for step in (0, 9, 99) for i in range(50)
    ]
    folder = make_run(metrics=metrics, samples=samples, recipe="a = 1\n" * 30_000, name="long")
    path = report.write(folder)
    text = read_page(path).text
    assert path.stat().st_size < 2_000_000
    assert "One point is the mean of up to" in text
    assert "44 more prompts there" in text
    assert "8,100 more characters" in text
    assert "120,000 more characters are in recipe.toml" in text


def test_a_folder_that_is_no_run_is_refused_and_left_alone(tmp_path):
    with pytest.raises(UserError, match="is no run's folder"):
        report.write(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_the_first_the_tenth_and_the_last_stage_are_shown(make_run):
    def at(*shares):
        return stages([Sample(round(100 * share), share, "p", "t", (), None, False) for share in shares])

    assert at(0, 0.05, 0.1, 0.2, 0.5, 1.0) == [0, 10, 100]
    assert at(0, 0.5, 1.0) == [0, 50, 100]
    assert at(0, 0.1) == [0, 10]
    assert at(0.3) == [30]
    assert at() == []


@pytest.mark.parametrize(
    "position, word, marked",
    [
        (14, "lamp", "lamp"),  # the word begins at the place
        (16, "lamp", "lamp"),  # the word became impossible in its middle
        (5, "sat", "sat"),  # in the prompt
        (13, "other", "lamp"),  # the word is not there: the next one after the place
        (18, "", "here."),
        (99, "lamp", ""),
        (-1, "lamp", ""),
    ],
)
def test_the_impossible_word_is_found_by_its_place(position, word, marked):
    found = sample("Anna sat", " with lamp here.", position, word)
    begin, end = underlined(found)
    assert (found.prompt + found.text)[begin:end] == marked


def test_the_impossible_word_is_underlined_and_the_reason_is_given(make_run, read_page):
    line = make_run.sample(0, 100, "Ana sat", " on a lamp < here")
    line["mistake"] = {"position": 13, "word": "lamp", "why": "A lamp is no seat."}
    page = read_page(report.write(make_run(samples=[line])))
    assert [text for tag, text in page.texts if tag == "u"] == ["lamp"]
    assert "“" not in page.text.split("Impossible:")[1][:3]
    assert "Impossible: lamp. A lamp is no seat." in page.text
    assert "Ana sat on a lamp < here" in page.text


def test_a_score_within_reach_of_guessing_says_so(make_run, read_page):
    score = {"task": "choice", "metric": "acc", "value": 0.26, "n": 500, "protocol": "", "version": 1}
    near = score | {"interval": [0.22, 0.3], "chance": 0.25}
    far = score | {"task": "other", "interval": [0.4, 0.5], "chance": 0.25}
    text = read_page(report.write(make_run(evaluation=[near, far]))).text
    assert text.count("cannot be told apart from it") == 1


def test_what_could_not_be_read_is_said_on_the_page(make_run, read_page):
    folder = make_run()
    (folder / "timing.jsonl").write_text("?\n")
    assert "Left out, because it could not be read: 1 unreadable line of timing.jsonl" in unescape(
        read_page(report.write(folder)).text
    )


def test_the_terminal_gets_the_same_in_a_few_lines(make_run):
    assert report.describe(make_run()).split("\n") == [
        "small (finished)",
        "A GPT of 1.6 million parameters learned the village corpus in 3 minutes: 0.521 bits per byte, "
        "4.1 % above the best possible 0.500.",
        "The validation loss fell from 3.00 to 0.521 bits per byte; the last tenth of the run gained 0.001, "
        "and 0.021 is left above the floor.",
        "",
        "At 100 % it wrote:",
        "    Once written at 100.",
        "",
        "perplexity bits_per_byte: 0.5213 [0.51, 0.53], n = 400",
    ]


def learned_run(make_run, mistake):
    score = {"task": "village", "metric": "possible_samples", "value": 0.5, "interval": [0.2, 0.8], "n": 2}
    texts = [{"text": "Ana walked to <the> mill.", "ended": True, "mistake": mistake}]
    texts.append({"text": "Tom slept.", "ended": True, "mistake": None})
    score |= {"details": {"mistakes": {"fact": 1}, "samples": texts}, "version": 1}
    return make_run(evaluation=[score])


def test_what_it_wrote_by_itself_is_shown_with_its_first_mistake(make_run, read_page):
    mistake = {"position": 4, "word": "walked", "why": "Ana <sleeps>.", "cause": "fact"}
    path = report.write(learned_run(make_run, mistake))
    page, source = read_page(path), path.read_text(encoding="utf-8")
    assert "What it has learned" in [text for tag, text in page.texts if tag == "h2"]
    assert '<u class="wrong">walked</u>' in source
    for words in (
        "Ana <sleeps>.",
        "impossible after 16 % of it",
        "possible to its end",
        "first 2 of 2 documents",
    ):
        assert words.lower() in page.text.lower(), words
    assert "in the 1 that are impossible: 1 contradict what was said before." in page.text
    assert "<the>" in page.text


def test_a_run_whose_texts_have_no_known_rules_has_no_such_section(make_run, read_page):
    page = read_page(report.write(make_run()))
    assert "What it has learned" not in page.text


def test_the_terminal_tells_what_was_learned_in_words_and_not_twice(make_run):
    said = report.describe(learned_run(make_run, None))
    assert "Possible documents: 50 % [20 % to 80 %] of 2 that it wrote by itself." in said
    assert "possible_samples" not in said
