"""`groundup export`: write a model in a form that other programs open."""

from pathlib import Path
from typing import Annotated

import typer


def export(
    where: Annotated[
        Path, typer.Argument(help="A run's, a model's or an adapter's folder, or a file of weights.")
    ],
    target: Annotated[Path, typer.Argument(help="The new folder, or for pth and gguf the new file.")],
    to: Annotated[
        str | None,
        typer.Option(
            help="hf: a Hugging Face folder; gguf: for llama.cpp; pth: a state dict (a pickle). By default "
            "as the target's name ends, else hf."
        ),
    ] = None,
    dtype: Annotated[
        str, typer.Option(help="What numbers become: float32, bf16 or fp16; in GGUF also q8_0.")
    ] = "float32",
    verify: Annotated[
        bool, typer.Option("--verify", help="Read it back and compare, before it stays.")
    ] = False,
    shard_gb: Annotated[float, typer.Option(help="Of a folder: no file of weights is larger.")] = 5.0,
    tokenizer: Annotated[
        Path | None, typer.Option(help="For a single file: its tokenizer, a folder or a tokenizer.json.")
    ] = None,
    heads: Annotated[
        int | None, typer.Option(min=1, help="For a single file that does not say it: the number of heads.")
    ] = None,
) -> None:
    """Write a model for other programs: transformers, llama.cpp or plain PyTorch.

    An adapter is merged into the base model that it names.

    float32 keeps every bit, and --verify compares tensors; rounded ones are compared by their logits.

    Examples:

      groundup export runs/demo my_model --dtype bf16

      groundup export runs/my_book my_book.gguf --dtype q8_0 --verify

      groundup export ckpt.pt my_model
    """
    from groundup.runs.export import export as write
    from groundup.system.progress import View

    write(
        where,
        target,
        View(),
        form=to,
        dtype=dtype,
        verify=verify,
        shard_bytes=shard_gb * 10**9,
        tokenizer=tokenizer,
        n_heads=heads,
    )


VERB = export
