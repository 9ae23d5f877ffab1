"""A very small run for the tests of this folder: real in every part, over in seconds."""

from collections.abc import Callable
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from groundup.runs.folder import RunFolder
from groundup.runs.pretrain import pretrain
from groundup.runs.recipe import Recipe, make_recipe
from groundup.settings import with_changes
from groundup.system.progress import View

TINY: dict[str, Any] = {
    "name": "tiny",
    "data": {"source": "village", "max_tokens": 20_000, "validation_tokens": 3_000},
    "tokenizer": {"source": "bytes"},
    "model": {
        "family": "gpt2",
        "d_model": 32,
        "n_layers": 1,
        "n_heads": 2,
        "context_length": 64,
        "dropout": 0.1,
    },
    "train": {
        "steps": 10,
        "tokens_per_step": 512,
        "sequence_length": 64,
        "micro_batch": 3,
        "learning_rate": 3e-3,
        "precision": "float32",
        "checkpoint": {"every": 4, "keep": 2},
    },
    "validate": {"every": 5, "tokens": 3_000},
    "sample": {"every": 5, "prompts": ["", "Ana"], "max_tokens": 20},
}


def tiny_recipe(*changes: str) -> Recipe:
    """The tiny recipe, with changes of the form section.key=value."""
    return make_recipe(with_changes(TINY, changes))


def quiet_view() -> View:
    """A view that writes into memory."""
    return View(Console(file=StringIO(), width=200))


def said(view: View) -> str:
    """What a quiet view was told."""
    file = view.console.file
    assert isinstance(file, StringIO)
    return file.getvalue()


@pytest.fixture(scope="session")
def finished_run(tmp_path_factory: pytest.TempPathFactory) -> RunFolder:
    """One finished run, for all tests that only look at it."""
    return pretrain(tiny_recipe(), tmp_path_factory.mktemp("runs") / "tiny", quiet_view(), device="cpu")


@pytest.fixture
def run_tiny(tmp_path: Path) -> Callable[..., RunFolder]:
    """Run the tiny recipe, changed, in a folder of this test."""

    def run(*changes: str, restart: bool = False, name: str = "tiny") -> RunFolder:
        return pretrain(tiny_recipe(*changes), tmp_path / name, quiet_view(), device="cpu", restart=restart)

    return run
