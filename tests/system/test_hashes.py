"""The hash of a large file is computed once, and again when the file changed."""

import os
from pathlib import Path

import pytest

from groundup.system import files
from groundup.system.files import sha256


def test_the_hash_of_a_large_file_is_remembered_until_it_changes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(files, "LARGE", 3)
    file, read = tmp_path / "texts.jsonl", []
    monkeypatch.setattr(files, "sha256", lambda path: read.append(path) or sha256(path))
    file.write_text("one text", encoding="utf-8")
    for _ in range(2):  # just written: it may change again within the same tick of the clock
        assert files.known_sha256(file) == sha256(file)
    assert len(read) == 2
    os.utime(file, (1_000_000, 1_000_000))
    for _ in range(3):
        assert files.known_sha256(file) == sha256(file)
    assert len(read) == 3
    file.write_text("two text", encoding="utf-8")
    os.utime(file, (1_000_001, 1_000_001))
    assert files.known_sha256(file) == sha256(file)
    assert len(read) == 4


def test_where_nothing_can_be_kept_or_was_kept_badly_the_hash_is_computed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(files, "LARGE", 3)
    file, no_folder = tmp_path / "texts.jsonl", tmp_path / "a_file"
    no_folder.write_text("in the way", encoding="utf-8")
    file.write_text("one text", encoding="utf-8")
    os.utime(file, (1_000_000, 1_000_000))
    monkeypatch.setenv("XDG_CACHE_HOME", str(no_folder))
    assert files.known_sha256(file) == sha256(file)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    assert files.known_sha256(file) == sha256(file)
    (kept,) = (tmp_path / "cache" / "groundup" / "sha256").iterdir()
    kept.write_text("", encoding="utf-8")  # as a machine leaves it that lost its power
    assert files.known_sha256(file) == sha256(file)
