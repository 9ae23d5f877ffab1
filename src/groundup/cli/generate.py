"""`groundup generate`: let a model continue a text."""

import sys
from pathlib import Path
from typing import Annotated, Any

import typer


def generate(
    model: Annotated[Path, typer.Argument(help="A run's folder, such as runs/demo, or a model's folder.")],
    prompt: Annotated[
        str, typer.Argument(help="The text to continue; without one, a new document begins.")
    ] = "",
    max_tokens: Annotated[int, typer.Option(help="At most so many new tokens.")] = 200,
    temperature: Annotated[
        float, typer.Option(help="0 always takes the likeliest token; 1 draws as learned.")
    ] = 0.8,
    top_k: Annotated[int, typer.Option(help="Draw from the k likeliest tokens only; 0: from all.")] = 50,
    top_p: Annotated[float, typer.Option(help="Draw from the likeliest tokens that together reach p.")] = 1.0,
    seed: Annotated[int, typer.Option(help="The same seed gives the same text.")] = 0,
    stop: Annotated[
        list[str] | None, typer.Option(help="End before this text; may be given several times.")
    ] = None,
    samples: Annotated[int, typer.Option(min=1, help="How many continuations, from seeds one apart.")] = 1,
    device: Annotated[
        str | None, typer.Option(help="cpu, cuda or mps; by default the best there is.")
    ] = None,
) -> None:
    """Continue a text, shown as it is made.

    Examples:

      groundup generate runs/demo "Once"

      groundup generate runs/demo --samples 3 --temperature 1

      groundup generate runs/demo "Ana" --temperature 0
    """
    from groundup.generation.engine import generate as run
    from groundup.system.device import pick_device
    from groundup.system.progress import visible
    from groundup.weights.folder import load

    # A terminal is shown no control characters; a file or a pipe gets the text as it is.
    shown = visible if sys.stdout.isatty() else str
    loaded = load(model, device=pick_device(device))
    how: dict[str, Any] = {
        "max_tokens": max_tokens,
        "temperature": temperature,
        "top_k": top_k,
        "top_p": top_p,
        "stop": stop or (),
    }
    for number in range(samples):
        pieces = run(loaded, prompt, seed=seed + number, **how)
        typer.echo(shown(prompt), nl=False)
        for piece in pieces:
            typer.echo(shown(piece.text), nl=False)
        typer.echo("\n" if number + 1 < samples else "")


VERB = generate
