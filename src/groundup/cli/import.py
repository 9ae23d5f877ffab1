"""`groundup import`: make a folder of a model that somebody else has published or saved."""

from pathlib import Path
from typing import Annotated

import typer


def import_(
    where: Annotated[
        str,
        typer.Argument(help="openai:124M, hf:ORG/NAME or hf:ORG/NAME@REVISION, a model's folder, or a file."),
    ],
    folder: Annotated[Path, typer.Argument(help="Where to write the model; it must not be there yet.")],
    verify: Annotated[
        bool, typer.Option("--verify", help="Check what was written, and say what was compared.")
    ] = False,
    tokenizer: Annotated[
        Path | None, typer.Option(help="For a single file: its tokenizer, a folder or a tokenizer.json.")
    ] = None,
    heads: Annotated[
        int | None, typer.Option(min=1, help="For a single file that does not say it: the number of heads.")
    ] = None,
) -> None:
    """Write a model as a Hugging Face folder that groundup and transformers open.

    Of OpenAI's own GPT-2 there are 124M, 355M, 774M and 1558M. What is downloaded is kept, and an interrupted
    download goes on. GROUNDUP_GPT2_MIRROR and HF_ENDPOINT name other addresses to download from.

    A file may be a checkpoint of nanoGPT or of a tutorial: what its AdamW remembers is taken over, and a run
    with model.from=FOLDER goes on with it.

    Examples:

      groundup import openai:124M gpt2 --verify

      groundup import hf:Qwen/Qwen3-0.6B qwen3

      groundup import my_checkpoint.pt my_model --heads 6
    """
    from groundup.runs.importing import import_model
    from groundup.system.progress import View

    import_model(where, folder, View(), verify=verify, tokenizer=tokenizer, n_heads=heads)


VERB = import_
