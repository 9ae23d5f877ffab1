"""The commands that a run names at its end can be copied as they are."""

import os
import shlex
import sys
from pathlib import Path

import pytest

from groundup.runs.farewell import command


@pytest.mark.skipif(os.name == "nt", reason="Windows quotes in another way.")
def test_a_command_survives_the_shell_whatever_the_folder_is_called(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(sys, "executable", str(tmp_path / "my tools" / "python"))
    monkeypatch.setenv("PATH", "")
    words = shlex.split(command("generate", "runs/my run", "It's late"))
    assert words == [str(tmp_path / "my tools" / "groundup"), "generate", "runs/my run", "It's late"]


@pytest.mark.skipif(os.name == "nt", reason="Windows finds programs in another way.")
def test_a_groundup_on_the_path_is_called_by_its_name_if_it_is_this_one(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for folder in ("mine", "other"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "groundup").touch(mode=0o755)
    monkeypatch.setattr(sys, "executable", str(tmp_path / "mine" / "python"))
    monkeypatch.setenv("PATH", str(tmp_path / "mine"))
    assert command("demo") == "groundup demo"
    monkeypatch.setenv("PATH", str(tmp_path / "other"))
    assert command("demo") == f"{tmp_path / 'mine' / 'groundup'} demo"
