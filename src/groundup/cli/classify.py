"""`groundup classify`: say which label a text has."""

import json
import sys
from pathlib import Path
from typing import Annotated

import typer


def classify(
    model: Annotated[Path, typer.Argument(help="A classifier: a run's folder, a model's, or hf:ORG/NAME.")],
    texts: Annotated[list[str] | None, typer.Argument(help="The texts to sort.")] = None,
    file: Annotated[
        Path | None,
        typer.Option(help="A file with one text a line, or a .jsonl or .parquet with texts, instead."),
    ] = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print a JSON object for each text, one a line.")
    ] = False,
    device: Annotated[
        str | None, typer.Option(help="cpu, cuda or mps; by default the best there is.")
    ] = None,
) -> None:
    """Say which label each text has, and how likely each label is.

    Examples:

      groundup classify runs/spam "You have won a prize! Call now."

      groundup classify runs/spam --file messages.txt --json > labels.jsonl
    """
    from groundup.runs.classify import classify as sort
    from groundup.runs.classify import texts_from
    from groundup.system.device import pick_device
    from groundup.system.progress import visible
    from groundup.weights.folder import load_classifier

    # A terminal is shown no control characters; a file or a pipe gets the text as it is.
    shown = visible if sys.stdout.isatty() else str
    given = texts_from(texts or [], file)
    loaded = load_classifier(model, device=pick_device(device))
    verdicts, told = sort(loaded, given)
    for verdict in verdicts:
        line = json.dumps(verdict.as_json(), ensure_ascii=False) if as_json else verdict.line()
        typer.echo(shown(line))
    if told:
        typer.echo(told, err=True)


VERB = classify
