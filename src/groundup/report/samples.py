"""What the model wrote before training, early and last, side by side; impossible words underlined."""

from groundup.report.markup import element, escape, section
from groundup.report.numerals import compact, duration, plural
from groundup.report.read import Run, Sample
from groundup.report.scores import Mistake, Score, Written
from groundup.report.words import listed

MOST_ROWS = 6
MOST_CHARACTERS = 900  # of a continuation; the whole text is in samples.jsonl
MOST_PROMPT = 240
SHOWN = 3  # of the documents that the model wrote by itself
WRONG = {
    "fact": "contradict what was said before",
    "grammar": "have no sentence of that world",
    "spelling": "have no word of it",
    "end": "end too early or too late",
}


def samples_section(run: Run) -> str:
    """The section of the samples as markup, empty while there are none."""
    steps = stages(run.samples)
    columns = [_by_prompt([sample for sample in run.samples if sample.step == step]) for step in steps]
    keys = list(dict.fromkeys(key for column in reversed(columns) for key in column))
    rows = "".join(_row(run, key, columns) for key in keys[:MOST_ROWS])
    return section(
        "What it writes", rows + _closing(run, len(keys)) if rows else "", "samples", _lead(run, steps)
    )


def written_section(score: Score | None) -> str:
    """Some of the documents that a model wrote by itself, and why the others are impossible, as markup."""
    if score is None or not score.written:
        return ""
    shown = "".join(_document(number, one) for number, one in enumerate(score.written[:SHOWN], start=1))
    total = sum(count for _, count in score.mistakes)
    says = f"The first {len(score.written[:SHOWN])} of {plural(len(score.written), 'document')}."
    if total:
        reasons = [f"{count:,} {WRONG.get(cause, cause)}" for cause, count in score.mistakes]
        says += f" What is wrong first in the {total:,} that are impossible: {listed(reasons)}."
    cells = element("div", shown, f"trio of{len(score.written[:SHOWN])}")
    return element("div", cells + element("p", escape(says), "small"), "row")


def _document(number: int, written: Written) -> str:
    """One document that the model wrote from nothing."""
    sample = Sample(0, 1.0, "", written.text, (), written.mistake, checked=True)
    far = 0 if written.mistake is None else written.mistake.position / max(1, len(written.text))
    head = "possible to its end" if written.mistake is None else f"impossible after {100 * far:.0f} % of it"
    stage = element("p", element("b", f"Document {number}") + element("span", escape(head)), "stage")
    body = element("p", _marked(sample), "text", dir="auto") + _verdict(sample)
    return element("div", stage + body, "sample")


def stages(samples: list[Sample]) -> list[int]:
    """The steps to show: the first, the one between nearest to 10 % of the run, and the last."""
    shares = {sample.step: sample.share for sample in samples}
    steps = sorted(shares)
    between = sorted(steps[1:-1], key=lambda step: abs(shares[step] - 0.1))
    return sorted({*steps[:1], *between[:1], *steps[-1:]})


def underlined(sample: Sample) -> tuple[int, int]:
    """Where the impossible word begins and ends in prompt + text; an empty range where it cannot be found."""
    whole, mistake = sample.prompt + sample.text, sample.mistake
    if mistake is None or not 0 <= mistake.position < len(whole):
        return (0, 0)
    # The word may have begun before the place at which it became impossible.
    begin = whole.find(mistake.word, max(0, mistake.position - len(mistake.word) + 1)) if mistake.word else -1
    if 0 <= begin <= mistake.position:
        return (begin, begin + len(mistake.word))
    begin = mistake.position
    while begin < len(whole) - 1 and whole[begin].isspace():
        begin += 1
    return (begin, begin + max(1, len(whole[begin:].split(maxsplit=1)[0]) if whole[begin:].split() else 1))


def _by_prompt(samples: list[Sample]) -> dict[tuple[str, int], Sample]:
    """The samples of one step by their prompt, and by a number where a prompt was used more than once."""
    found: dict[tuple[str, int], Sample] = {}
    for sample in samples:
        again = sum(prompt == sample.prompt for prompt, _ in found)
        found[sample.prompt, again] = sample
    return found


def _row(run: Run, key: tuple[str, int], columns: list[dict[tuple[str, int], Sample]]) -> str:
    """One prompt and what was written after it at each stage."""
    prompt, again = key
    cells = "".join(_cell(run, column[key]) if key in column else "<div></div>" for column in columns)
    asked = f"Prompt {element('span', escape(shortened(prompt)), 'prompt')}" if prompt else "Without a prompt"
    heading = asked + (f", once more ({again + 1})" if again else "")
    return element("div", element("h3", heading) + element("div", cells, f"trio of{len(columns)}"), "row")


def _cell(run: Run, sample: Sample) -> str:
    """One sample: when it was written, the text, and what is wrong with it."""
    head = element("b", f"{100 * sample.share:.0f} %") + element("span", escape(_when(run, sample)))
    text = element("p", _marked(sample), "text", dir="auto")
    return element("div", element("p", head, "stage") + text + _verdict(sample), "sample")


def _when(run: Run, sample: Sample) -> str:
    """The stage in words: before training, or the step and the time that had passed."""
    if sample.step == 0:
        return "before training"
    passed = [
        point.seconds for point in run.timing if point.step <= sample.step and point.seconds is not None
    ]
    return f"step {sample.step:,}" + (f", after {duration(passed[-1])}" if passed else "")


def _marked(sample: Sample) -> str:
    """The prompt and the text as markup, with the impossible word underlined."""
    whole, border = sample.prompt + sample.text, len(sample.prompt)
    wrong = range(*underlined(sample))
    begin, end = max(0, border - MOST_PROMPT), min(len(whole), border + MOST_CHARACTERS)
    cuts = sorted(
        {begin, end, *(place for place in (border, wrong.start, wrong.stop) if begin < place < end)}
    )
    parts = []
    for left, right in zip(cuts, cuts[1:], strict=False):
        part = escape(whole[left:right])
        part = element("u", part, "wrong") if left in wrong else part
        parts.append(element("span", part, "prompt") if left < border else part)
    if begin:
        parts.insert(0, "…")
    if end < len(whole):
        parts.append(element("span", f" … ({plural(len(whole) - end, 'more character')})", "small"))
    return "".join(parts)


def _verdict(sample: Sample) -> str:
    """The note below a sample whose text could be checked."""
    if sample.mistake is not None:
        return element("p", element("b", "Impossible: ") + _reason(sample.mistake), "tell")
    if sample.checked:
        return element("p", element("b", "Possible: ") + "each word fits the world so far.", "tell good")
    return ""


def _reason(mistake: Mistake) -> str:
    word = element("q", escape(shortened(mistake.word.strip()))) + ". " if mistake.word.strip() else ""
    return word + escape(shortened(mistake.why))


def _lead(run: Run, steps: list[int]) -> str:
    """One sentence on what is shown, and one on how many of the last samples are possible."""
    if not steps:
        return ""
    says = "The same prompts at each stage of the run." if len(steps) > 1 else "What the model wrote so far."
    checked = [sample for sample in run.samples if sample.step == steps[-1] and sample.checked]
    good = sum(sample.mistake is None for sample in checked)
    if len(checked) == 1:
        says += " The last sample is possible." if good else " Its first impossible word is underlined."
    elif checked:
        share = {0: "none is", 1: "1 is"}.get(good, f"{good:,} are")
        says += f" Of the last {plural(len(checked), 'sample')}, {share} possible"
        says += "; the first impossible word is underlined." if good < len(checked) else "."
    return says


def _closing(run: Run, n_rows: int) -> str:
    """How the samples were drawn, and how many more there are."""
    settings = [
        f"{name.replace('_', '-')} {compact(value)}"
        for name, value in run.samples[-1].settings
        if name != "seed"
    ]
    says = f"Drawn with {', '.join(settings)}. " if settings else ""
    says += f"All {plural(len(run.samples), 'sample')} of the run are in samples.jsonl"
    says += f"; {plural(n_rows - MOST_ROWS, 'more prompt')} there." if n_rows > MOST_ROWS else "."
    return element("p", escape(says), "small")


def shortened(text: str) -> str:
    """At most MOST_PROMPT characters of a text, with a sign where something was cut off."""
    return text if len(text) <= MOST_PROMPT else text[: MOST_PROMPT - 1] + "…"
