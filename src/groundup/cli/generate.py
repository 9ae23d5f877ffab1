"""`groundup generate`: let a model continue texts."""

import sys
from pathlib import Path
from typing import Annotated, Any

import typer


def option(help: str, *names: str, **how: Any) -> Any:
    """An option of the command with its help."""
    return typer.Option(*names, help=help, **how)


Greedy = Annotated[bool, option("The same as --temperature 0.", "--greedy")]
Temperature = Annotated[float, option("0 always takes the likeliest token; 1 draws as learned.")]
TopK = Annotated[int, option("Draw from the k likeliest tokens only; 0: from all.")]
TopP = Annotated[float, option("Draw from the likeliest tokens that together reach p.")]
MinP = Annotated[float, option("Draw from tokens with at least this share of the likeliest one's chance.")]
Penalty = Annotated[float, option("Above 1, what is in the text already becomes less likely.")]
Stop = Annotated[list[str] | None, option("End before this text; may be given several times.")]
StopToken = Annotated[list[str] | None, option("End at this token, such as '<|end|>'; also several times.")]
Slide = Annotated[bool, option("Where the context is full, go on with its last half in view.", "--slide")]


def generate(
    model: Annotated[Path, typer.Argument(help="A run's folder, such as runs/demo, or a model's folder.")],
    prompts: Annotated[
        list[str] | None,
        typer.Argument(help="The texts to continue, side by side; without one, a new document begins."),
    ] = None,
    file: Annotated[Path | None, option("A file with one prompt a line, instead.")] = None,
    samples: Annotated[int, option("Continuations of each prompt, seeds one apart.", min=1)] = 1,
    max_tokens: Annotated[int, option("At most so many new tokens for each.")] = 200,
    greedy: Greedy = False,
    temperature: Temperature = 0.8,
    top_k: TopK = 50,
    top_p: TopP = 1.0,
    min_p: MinP = 0.0,
    repetition_penalty: Penalty = 1.0,
    seed: Annotated[int, option("The same seed gives the same text.")] = 0,
    stop: Stop = None,
    stop_token: StopToken = None,
    slide: Slide = False,
    device: Annotated[str | None, option("cpu, cuda or mps; by default the best there is.")] = None,
) -> None:
    """Continue texts, shown as they are made.

    Examples:

      groundup generate runs/demo "Once"

      groundup generate runs/demo --samples 3 --temperature 1

      groundup generate runs/demo "Ana" "Tom" --greedy --stop "."

      groundup generate runs/demo --file prompts.txt --min-p 0.05 --top-k 0 --repetition-penalty 1.1
    """
    from groundup.runs.generate import prompts_from, token_ids, write_answers
    from groundup.system.device import pick_device
    from groundup.system.progress import visible
    from groundup.weights.folder import load

    # A terminal is shown no control characters; a file or a pipe gets the text as it is.
    shown = visible if sys.stdout.isatty() else str
    asked = prompts_from(prompts or [], file)
    loaded = load(model, device=pick_device(device))
    how = {
        "max_tokens": max_tokens,
        "temperature": 0.0 if greedy else temperature,
        "top_k": top_k,
        "top_p": top_p,
        "min_p": min_p,
        "repetition_penalty": repetition_penalty,
        "stop": stop or (),
        "stop_tokens": token_ids(loaded.tokenizer, stop_token or ()),
        "slide": slide,
    }

    def show(text: str) -> None:
        typer.echo(shown(text), nl=False)

    told = write_answers(loaded, asked, show, samples=samples, seed=seed, **how)
    typer.echo(told, err=True)


VERB = generate
