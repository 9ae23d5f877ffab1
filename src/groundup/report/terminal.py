"""The report of a run in a few lines of plain text, for the terminal."""

from groundup.report import tuned, words
from groundup.report.findings import is_told, learned
from groundup.report.markup import visible
from groundup.report.numerals import plain
from groundup.report.read import Run
from groundup.report.samples import shortened


def terminal(run: Run) -> str:
    """The headline, the curve in a sentence, the last sample and the evaluation, without colours."""
    lines = [
        f"{run.name} ({run.status})",
        (tuned if tuned.is_tuned(run) and not run.validation else words).headline(run),
    ]
    if words.finite(run.validation):
        lines.append(words.validation_sentence(run))
    if run.samples:
        last = run.samples[-1]
        lines += [
            "",
            f"At {100 * last.share:.0f} % it wrote:",
            *_indented(shortened(last.prompt + last.text)),
        ]
        if last.mistake is not None:
            lines.append(
                f"Impossible: {shortened(last.mistake.word.strip())!r}. {shortened(last.mistake.why)}"
            )
    says = learned(run.scores)
    lines += ["", *says] if says else []
    listed = [score for score in run.scores if not (says and is_told(score))]
    if listed:
        lines.append("")
    for score in listed:
        interval = f" [{plain(score.interval[0])}, {plain(score.interval[1])}]" if score.interval else ""
        n = f", n = {score.n:,}" if score.n is not None else ""
        chance = f", chance {plain(score.chance)}" if score.chance is not None else ""
        lines.append(f"{score.task} {score.metric}: {plain(score.value)}{interval}{n}{chance}")
    if run.skipped:
        lines += ["", f"Left out, because it could not be read: {', '.join(run.skipped)}."]
    return visible("\n".join(lines)).replace("\N{NO-BREAK SPACE}", " ")


def _indented(text: str) -> list[str]:
    return [f"    {line}" for line in text.splitlines()]
