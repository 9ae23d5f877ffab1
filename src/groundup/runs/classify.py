"""The job of `groundup classify`: from typed words or a file to texts, and from texts to their labels."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from groundup.data.decoding import decode_text
from groundup.data.formats import kind_of, opened, readable, records
from groundup.data.label_examples import LabelledExamples
from groundup.errors import UserError
from groundup.evaluation.labels import predict
from groundup.model.classifier import Classifier
from groundup.weights.folder import Loaded

SHOWN = 60  # characters of a text that are shown beside its label


@dataclass(frozen=True)
class Verdict:
    """One text, the likeliest label, and how likely each is."""

    text: str
    label: str
    probabilities: dict[str, float]

    def as_json(self) -> dict[str, Any]:
        """The form of a line with --json."""
        return asdict(self)

    def line(self) -> str:
        """The label, the probability of each, and how the text begins."""
        width = max(map(len, self.probabilities))
        each = "  ".join(f"{name} {p:.3f}" for name, p in self.probabilities.items())
        text = " ".join(self.text.split())
        begins = text if len(text) <= SHOWN else f"{text[: SHOWN - 2]} …"
        return f"{self.label:<{width}}   {each}   {begins}"


def texts_from(typed: Sequence[str], file: Path | None) -> list[str]:
    """The texts: those that were typed, or of a file: its lines, or the records of a .jsonl or .parquet.

    UserError if there are none or one is empty, with its number.
    """
    if typed and file is not None:
        raise UserError(f"There are a text {typed[0][:40]!r} and a file {file}. Give the one or the other.")
    if file is None:
        texts, kind = list(typed), "Text"
    elif not file.is_file():
        raise UserError(f"There is no file {file}. Give a text file with one text a line, or a .jsonl file.")
    elif kind_of(file) in (".jsonl", ".parquet"):
        texts, kind = _of_records(file), "Record"
    else:
        with readable(file), opened(file) as (stream, _):
            texts, kind = decode_text(stream.read(), str(file)).rstrip("\n").split("\n"), "Line"
    if not any(text.strip() for text in texts):
        raise UserError("There is no text to sort. Type one or several, or name a file with --file.")
    for number, text in enumerate(texts, 1):
        if not text.strip():
            where = f"{kind} {number}" + (f" of {file}" if file else "")
            raise UserError(f"{where} is empty, and has no label. Take it out.")
    return texts


def _of_records(file: Path) -> list[str]:
    texts = []
    for number, record in enumerate(records(file), 1):
        if record.text is None:
            raise UserError(
                f"Record {number} of {file} is no text: {record.problem}. Mend it, or take it out."
            )
        texts.append(record.text)
    return texts


def classify(loaded: Loaded[Classifier], texts: Sequence[str]) -> tuple[list[Verdict], str]:
    """What the model says of each text, and a sentence on what was cut off, if any was."""
    limit = loaded.config.context_length
    samples = LabelledExamples(texts, [0] * len(texts), loaded.tokenizer, limit)
    found = np.exp(predict(loaded.model, samples))  # (N, C)
    verdicts = [
        Verdict(text, loaded.labels[int(each.argmax())], dict(zip(loaded.labels, each.tolist(), strict=True)))
        for text, each in zip(texts, found, strict=True)
    ]
    return verdicts, samples.told
