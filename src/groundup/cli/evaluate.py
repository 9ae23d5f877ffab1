"""`groundup evaluate`: measure a model, with intervals."""

from pathlib import Path
from typing import Annotated

import typer


def evaluate(
    model: Annotated[Path, typer.Argument(help="A run's folder, such as runs/demo, or a model's folder.")],
    tasks: Annotated[
        str | None,
        typer.Option(help="Names of tasks, with commas between them; by default all that the texts are for."),
    ] = None,
    data: Annotated[
        str | None,
        typer.Option(
            help="A file, a folder or a dataset's name; by default the validation part of the model's run."
        ),
    ] = None,
    max_tokens: Annotated[int, typer.Option(help="Stop after so many tokens of text; 0: take all.")] = 0,
    output: Annotated[Path | None, typer.Option(help="Also write the scores to this file, as JSON.")] = None,
    device: Annotated[
        str | None, typer.Option(help="cpu, cuda or mps; by default the best there is.")
    ] = None,
) -> None:
    """Measure a model. Every number comes with its 95 % interval, what it is made from and how.

    Examples:

      groundup evaluate runs/demo

      groundup evaluate runs/my_book --data another_book.txt --output scores.json
    """
    from groundup.runs.evaluate import run_tasks, show, tasks_for, tell_checkpoint, texts_for
    from groundup.system.device import pick_device
    from groundup.system.files import check_writable, write_json
    from groundup.system.progress import View
    from groundup.tasks import TASKS
    from groundup.weights.folder import load

    view, names = View(), [name.strip() for name in tasks.split(",")] if tasks else []
    for name in names:
        TASKS.get(name)
    if output is not None:
        check_writable(output.parent)
    loaded = load(model, device=pick_device(device))
    tell_checkpoint(model, view)
    texts = texts_for(loaded, model, data, max_tokens, view)
    if not names:
        names = tasks_for([texts.text(loaded.tokenizer, 0)])
        for name in sorted(set(TASKS.names()) - set(names)):
            view.say(f"Left out: the task {name}, which needs {TASKS.get(name).needs}.")
    scores = run_tasks(loaded, names, texts, view)
    show(scores, view)
    if output is not None:
        write_json(output, [score.as_json() for score in scores])


VERB = evaluate
