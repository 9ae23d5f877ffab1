"""What an evaluation found, in plain sentences: how well a model predicts, what it knows, what it writes."""

from collections.abc import Mapping, Sequence

from groundup.report.numerals import bits, percent
from groundup.report.scores import Score
from groundup.report.words import CAUSES, listed

Found = Mapping[str, Score]
PARTS = "excess_bits_"


def findings(scores: Sequence[Score]) -> list[str]:
    """One sentence for each thing that has been measured and can be told so, the loss first."""
    loss = _prediction(_by_metric(scores))
    return [loss, *learned(scores)] if loss else learned(scores)


def learned(scores: Sequence[Score]) -> list[str]:
    """The sentences but for the one on the loss: where the rules of the texts are known, what was learned."""
    found = _by_metric(scores)
    return [says for maker in (_facts, _documents, _causes) if (says := maker(found))]


def is_told(score: Score) -> bool:
    """Whether a sentence of `learned` holds the number, so that a short report need not list it again."""
    names = ("facts_learned", "possible_samples", "possible_part")
    return score.metric in names or score.metric.startswith(PARTS[:-1])


def _by_metric(scores: Sequence[Score]) -> Found:
    return {score.metric: score for score in scores if score.value is not None}


def _prediction(found: Found) -> str:
    """Bits per byte and the distance to the best possible."""
    loss, above = found.get("bits_per_byte"), found.get("excess_percent")
    if loss is None or loss.value is None:
        return ""
    says = f"Loss on new text: {bits(loss.value)} bits per byte"
    if above is None or above.value is None:
        return f"{says}{_between(loss, 1, bits)}."
    return f"{says}, {percent(above.value)}{_between(above)} above the best possible."


def _facts(found: Found) -> str:
    """How much of what a story settles the model has learned, beside one who has not read the story."""
    learned = found.get("facts_learned")
    if learned is None or learned.value is None:
        return ""
    says = (
        f"Facts learned: {percent(100 * learned.value)}{_between(learned, 100)} of the words that the text "
        "before them has settled"
    )
    if learned.chance is None:
        return f"{says}."
    return f"{says}; one who ignores that text guesses {percent(100 * learned.chance)}."


def _documents(found: Found) -> str:
    """How many of the documents that it wrote are possible, and how far the others come."""
    share, part = found.get("possible_samples"), found.get("possible_part")
    if share is None or share.value is None or not share.n:
        return ""
    says = (
        f"Possible documents: {percent(100 * share.value)}{_between(share, 100)} of {share.n:,} that it wrote"
    )
    if part is None or part.value is None:
        return f"{says} by itself."
    return f"{says} by itself; on average one stays possible for {percent(100 * part.value)} of its length."


def _causes(found: Found) -> str:
    """What the bits above the best possible are paid for, the dearest first."""
    total = found.get("excess_bits")
    parts = {
        m[len(PARTS) :]: s.value for m, s in found.items() if m.startswith(PARTS) and s.value is not None
    }
    if total is None or total.value is None or not parts:
        return ""
    dearest = sorted(parts.items(), key=lambda pair: -pair[1])
    told = [f"{few(cost)} for {CAUSES.get(cause, cause)}" for cause, cost in dearest]
    return f"Of the {few(total.value)} bits that it still pays too much for a document: {listed(told)}."


def few(value: float) -> str:
    """Bits with the digits that matter in a sentence: 64, 6.1, 0.07."""
    places = 0 if abs(value) >= 9.95 else 1 if abs(value) >= 0.95 else 2
    return f"{value:.{places}f}"


def _between(score: Score, scale: float = 1, say=percent) -> str:
    """The 95 % interval in brackets, if there is one."""
    if score.interval is None:
        return ""
    low, high = (say(scale * end) for end in score.interval)
    return f" [{low} to {high}]"
