"""A run's folder: its lines of figures after a crash, and one run at a time."""

import errno
import os
import shutil
from pathlib import Path

import pytest

from groundup.errors import UserError
from groundup.runs.folder import RunFolder


@pytest.fixture
def folder(tmp_path: Path) -> RunFolder:
    """An empty run's folder."""
    (tmp_path / "run").mkdir()
    return RunFolder(tmp_path / "run")


def test_a_sample_with_rare_line_ends_is_still_one_line(folder: RunFolder) -> None:
    """Byte-level models write every character sooner or later, U+2028 and U+0085 too."""
    text = "one\u2028two\x85three\x0cfour\nfive"
    folder.log("samples", {"step": 1, "text": text})
    folder.log("samples", {"step": 2, "text": "next"})
    folder.cut_back(1)
    assert folder.lines("samples") == [{"step": 1, "text": text}]


def test_a_line_that_a_crash_cut_in_the_middle_of_a_character_is_passed_over(folder: RunFolder) -> None:
    folder.log("samples", {"step": 1, "text": "whole"})
    with open(folder.path / "samples.jsonl", "ab") as file:
        file.write('{"step": 2, "text": "é'.encode()[:-1])
    assert folder.lines("samples") == [{"step": 1, "text": "whole"}]


def test_cutting_back_keeps_the_bytes_of_what_stays(folder: RunFolder) -> None:
    for step in range(4):
        folder.log("metrics", {"step": step, "loss": 1 / (step + 3)})
    before = (folder.path / "metrics.jsonl").read_bytes().splitlines(keepends=True)
    folder.cut_back(2)
    assert (folder.path / "metrics.jsonl").read_bytes() == b"".join(before[:3])


def test_a_folder_that_was_taken_away_is_told_in_one_line(folder: RunFolder) -> None:
    shutil.rmtree(folder.path)
    with pytest.raises(UserError, match="is gone"):
        folder.log("metrics", {"step": 1})


def test_damaged_facts_are_told_and_missing_ones_are_none(folder: RunFolder) -> None:
    assert folder.read_facts() == {}
    folder.facts.write_text('{"status": "run', encoding="utf-8")
    with pytest.raises(UserError, match=r"run\.json is damaged"):
        folder.read_facts()


def test_an_error_of_the_run_itself_is_not_taken_for_one_of_its_folder(folder: RunFolder) -> None:
    with pytest.raises(PermissionError), folder.alone():
        raise PermissionError(errno.EACCES, "may not be read", "/somebody/elses/text.txt")


@pytest.mark.skipif(os.name == "nt", reason="Windows locks files in another way.")
def test_a_file_system_without_locks_refuses_no_run(
    folder: RunFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    import fcntl

    def no_locks(handle: int, how: int) -> None:
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(fcntl, "flock", no_locks)
    with folder.alone():
        assert folder.path.is_dir()
