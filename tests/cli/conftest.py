"""The command line, called as a person calls it, but within this process."""

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest

from groundup.cli import main
from groundup.runs.folder import RunFolder
from groundup.runs.pretrain import pretrain
from tests.runs.conftest import quiet_view, tiny_recipe


class Said(NamedTuple):
    """What a command gave back."""

    code: int
    out: str
    err: str


@pytest.fixture
def groundup(capsys: pytest.CaptureFixture[str]) -> Callable[..., Said]:
    """Call `groundup WORDS`; gives the exit code and what was printed."""

    def call(*words: str) -> Said:
        code = main([str(word) for word in words])
        captured = capsys.readouterr()
        return Said(code, captured.out, captured.err)

    return call


@pytest.fixture(scope="session")
def a_run(tmp_path_factory: pytest.TempPathFactory) -> RunFolder:
    """A finished tiny run, for verbs that only read it."""
    return pretrain(
        tiny_recipe("train.steps=4"), tmp_path_factory.mktemp("cli") / "tiny", quiet_view(), device="cpu"
    )


@pytest.fixture
def book(tmp_path: Path) -> Path:
    """A short text of one's own."""
    path = tmp_path / "my_book.txt"
    lines = (
        f"Line {n}: the miller carried {n % 7} sacks past the well, and nobody saw it.\n" for n in range(700)
    )
    path.write_text("".join(lines), encoding="utf-8")
    return path
