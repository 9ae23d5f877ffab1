"""The page of a run: one HTML file that needs nothing else and can be read anywhere."""

import shlex
from collections.abc import Callable, Sequence
from importlib.resources import files

from groundup.report import tuned, words
from groundup.report.charts import causes, charts
from groundup.report.findings import learned
from groundup.report.markup import element, escape, facts, section
from groundup.report.numerals import bits, count, duration, plain, size
from groundup.report.plots import Chart, svg
from groundup.report.read import Run
from groundup.report.records import number
from groundup.report.samples import samples_section, shortened, written_section
from groundup.report.scores import Score

MOST_SCORES = 300
LARGE = ((864, 330, "wide"), (360, 260, "narrow"))  # a chart as wide as the page, and on a phone
MOST_RECIPE = 60_000  # characters; a recipe of that length holds whole texts as prompts


def page(run: Run, commands: Sequence[tuple[str, str]] | None = None) -> str:
    """The whole page as HTML. `commands` are pairs of (what it does, command line) to go on with."""
    title = escape(f"{run.name}: a run of groundup")
    css = files("groundup.report").joinpath("page.css").read_text(encoding="utf-8")
    body = (
        _header(run)
        + element(
            "main",
            samples_section(run)
            + _learned(run)
            + _curves(run)
            + _scores(run)
            + tuned.confusion_section(run.scores)
            + tuned.answers_section(run)
            + _facts(run)
            + _recipe(run)
            + _commands(run, commands),
        )
        + _footer(run)
    )
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        '<meta name="color-scheme" content="light dark">\n'
        # A second lock beside escaping: this page may load nothing and run no script.
        '<meta http-equiv="Content-Security-Policy" '
        "content=\"default-src 'none'; style-src 'unsafe-inline'\">\n"
        f"<title>{title}</title>\n<style>\n{css}</style>\n</head>\n<body>\n{body}</body>\n</html>\n"
    )


def default_commands(run: Run) -> list[tuple[str, str]]:
    """What one can do next with this run, as command lines."""
    folder = shlex.quote(str(run.folder))
    prompt = next(
        (s.prompt for s in run.samples if 0 < len(s.prompt) < 60 and s.prompt.isprintable()), "Once"
    )
    if run.facts.get("method") == "classify":
        return [
            ("Let it sort a text", f"groundup classify {folder} {shlex.quote('A text to sort')}"),
            ("Make this page again", f"groundup report {folder}"),
        ]
    return [
        ("Let the model write", f"groundup generate {folder} {shlex.quote(prompt)}"),
        ("Measure it", f"groundup evaluate {folder}"),
        ("Make this page again", f"groundup report {folder}"),
    ]


def _header(run: Run) -> str:
    """The result in plain words."""
    says = tuned if tuned.is_tuned(run) and not run.validation else words
    started = shortened(str(run.facts.get("started") or ""))[:16].replace("T", " ")
    over = element("b", escape(shortened(run.name))) + escape(f", {shortened(run.status)}")
    over += escape(f", started {started}") if started else ""
    return element(
        "header",
        element("p", over, "over")
        + element("h1", escape(says.headline(run)))
        + element("p", escape(says.standfirst(run)), "stand"),
    )


def _learned(run: Run) -> str:
    """Where the rules of the texts are known: what was learned, when, and what it writes by itself."""
    says = "".join(element("p", escape(sentence)) for sentence in learned(run.scores))
    chart = causes(run)
    drawn = _figure(chart, LARGE) if chart else ""
    written = next((score for score in run.scores if score.written), None)
    lead = "The rules of this world are known, so each mistake has a cause."
    return section("What it has learned", says + drawn + written_section(written), "learned", lead)


def _curves(run: Run) -> str:
    """The charts: one or two large, so that the others can stand in pairs."""
    drawn = charts(run)
    if not drawn:
        return ""
    n_large = 2 - len(drawn) % 2
    large = "".join(_figure(chart, LARGE) for chart in drawn[:n_large])
    small = "".join(_figure(chart, ((416, 240, ""),)) for chart in drawn[n_large:])
    return section("How it learned", large + element("div", small, "pair"), "curves")


def _figure(chart: Chart, sizes: Sequence[tuple[int, int, str]]) -> str:
    """One chart with its sentence and legend, drawn once for each size of screen."""
    pictures = "".join(
        element("div", svg(chart, width, height, f"{chart.name}{index}"), css)
        for index, (width, height, css) in enumerate(sizes)
    )
    keys = "".join(
        element("li", f'<i class="{role}" style="color:var(--{role})"></i>{escape(label)}')
        for role, label in chart.legend
    )
    caption = escape(chart.sentence) + (element("span", escape(chart.note), "small") if chart.note else "")
    heading = element("h3", escape(chart.title) + element("span", escape(chart.unit)))
    legend = element("ul", keys, "legend") if keys else ""
    return element("figure", heading + pictures + legend + element("figcaption", caption)) + "\n"


def _scores(run: Run) -> str:
    """The table of the evaluation."""
    names = ("Task", "Value", "95 % interval", "Examples", "Chance", "Protocol")
    head = element("thead", element("tr", "".join(element("th", name, scope="col") for name in names)))
    rows = "".join(_score(score, names) for score in run.scores[:MOST_SCORES])
    more = len(run.scores) - MOST_SCORES
    tail = element("p", f"{more:,} more rows are in evaluation.json.", "small") if more > 0 else ""
    lead = "Each number with its uncertainty, and with what guessing would reach."
    return section(
        "Evaluation", element("table", head + element("tbody", rows)) + tail if rows else "", "scores", lead
    )


def _score(score: Score, names: Sequence[str]) -> str:
    """One row: what was measured, the number, and what it can be compared with."""
    chance = "none" if score.chance is None else plain(score.chance)
    if score.chance is not None and score.interval and score.interval[0] <= score.chance <= score.interval[1]:
        chance += " (cannot be told apart from it)"
    interval = f"{plain(score.interval[0])} to {plain(score.interval[1])}" if score.interval else "not given"
    protocol = ", ".join(
        part for part in (score.protocol, score.version and f"version {score.version}") if part
    )
    task = escape(shortened(score.task)) + element("span", escape(shortened(score.metric)))
    n = "not given" if score.n is None else f"{score.n:,}"
    value = plain(score.value) + (
        "" if score.before is None else f" (before training: {plain(score.before)})"
    )
    cells = [task, *map(escape, (value, interval, n, chance, shortened(protocol)))]
    return element(
        "tr",
        "".join(
            element("td", f"<div>{cell}</div>", data_label=name)
            for name, cell in zip(names, cells, strict=True)
        ),
    )


def _facts(run: Run) -> str:
    """What it was trained on, what was trained, and where."""
    known = run.facts
    data = known.get("data")
    data = data if isinstance(data, dict) else {}
    per_token = _ratio(number(data, "bytes"), number(data, "tokens"))
    last, unit = run.train[-1].tokens if run.train else None, words.unit(run)
    lists = [
        facts("Data", [
            ("Source", _text(data, "source")),
            ("Documents", _said(data, "documents", count)),
            ("Examples", _said(data, "examples", count)),
            ("Held-out examples", _said(data, "validation_examples", count)),
            ("Size", _said(data, "bytes", size)),
            ("Tokens", _said(data, "tokens", count)),
            ("Bytes per token", per_token),
            ("Held-back documents", _said(data, "validation_documents", count)),
            ("Held-back size", _said(data, "validation_bytes", size)),
            ("Best possible", None if run.floor is None else f"{bits(run.floor)} bits per byte"),
        ]),
        facts("Model", [
            ("Tuned from", _text(known, "base")),
            ("Method", _text(known, "method")),
            ("Family", _text(known, "family")),
            ("Parameters", _said(known, "parameters", count)),
            ("… that learn", _said(known, "parameters_that_learn", count)),
            ("… without embeddings", _said(known, "parameters_without_embeddings", count)),
            ("Vocabulary", _said(data, "vocab_size", count)),
            ("Steps planned", _said(known, "steps", count)),
            ("Tokens per step", _said(known, "tokens_per_step", count) if unit == "tokens" else None),
            (f"{unit.capitalize()} read", None if last is None else count(last)),
        ]),
        facts("Machine", [
            ("Device", _text(known, "device")),
            ("Numbers", _text(known, "dtype")),
            ("Compiled", {"True": "yes", "False": "no"}.get(str(known.get("compiled")), "")),
            ("Threads", _said(known, "threads", count)),
            ("Time", _said(known, "seconds", duration)),
            ("Peak memory", _said(known, "peak_memory_mb", lambda megabytes: size(megabytes * 1e6))),
            ("PyTorch", _text(known, "torch")),
            ("Python", _text(known, "python")),
            ("System", _text(known, "platform")),
            ("groundup", _text(known, "groundup")),
        ]),
    ]  # fmt: skip
    inner = "".join(lists)
    return section("Data, model, machine", element("div", inner, "columns") if inner else "", "facts")


def _text(record: dict, key: str) -> str:
    """A short text of a record, or nothing where it is missing or no text."""
    value = record.get(key)
    return shortened(str(value)) if isinstance(value, str | int | float) else ""


def _said(record: dict, key: str, say: Callable[[float], str]) -> str:
    """A number of a record in words, or nothing where it is missing."""
    value = number(record, key)
    return "" if value is None else say(value)


def _ratio(above: float | None, below: float | None) -> str:
    return f"{above / below:.2f}" if above and below else ""


def _recipe(run: Run) -> str:
    """The whole recipe, so that the run can be repeated."""
    lines = escape(run.recipe[:MOST_RECIPE].strip()).split("\n")
    text = "\n".join(element("b", line) if line.startswith("[") else line for line in lines)
    cut = len(run.recipe) - MOST_RECIPE
    tail = element("p", f"{cut:,} more characters are in recipe.toml.", "small") if cut > 0 else ""
    lead = "Everything that was decided, as it was used."
    return section("The recipe", element("pre", text) + tail if run.recipe.strip() else "", "recipe", lead)


def _commands(run: Run, commands: Sequence[tuple[str, str]] | None) -> str:
    """Command lines to go on with."""
    pairs = default_commands(run) if commands is None else commands
    inner = "".join(element("p", escape(says)) + element("pre", escape(command)) for says, command in pairs)
    return section("Go on", element("div", inner, "go") if inner else "", "go")


def _footer(run: Run) -> str:
    """Where the page comes from, and what could not be read."""
    says = "This page was made from the files of the run's folder and needs no other file."
    if run.skipped:
        says += f" Left out, because it could not be read: {', '.join(run.skipped)}."
    return element("footer", element("p", escape(says), "small"))
