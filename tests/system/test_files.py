"""Files and folders appear whole or not at all, and what the storage refuses is told in one line."""

import errno
import hashlib
import json
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from groundup.errors import UserError
from groundup.system import files
from groundup.system.files import (
    cache_folder,
    check_writable,
    remove_folder,
    sha256,
    storage_errors,
    whole_file,
    whole_folder,
    write_json,
    write_text,
)


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@contextmanager
def file_limit(size: int) -> Iterator[None]:
    """No file may grow beyond so many bytes: what a full disk is like, without one."""
    resource = pytest.importorskip("resource")  # not on Windows
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_a_file_appears_with_its_folders_and_replaces_the_old_one(tmp_path):
    target = tmp_path / "a" / "b" / "file.txt"
    for text in ("first", "zweitens: día 🙂\n"):
        write_text(target, text)
        assert target.read_bytes() == text.encode()
    assert [path.name for path in target.parent.iterdir()] == ["file.txt"]


def test_a_file_is_not_there_before_its_block_ends(tmp_path):
    with whole_file(tmp_path / "x") as part:
        part.write_text("new")
        assert not (tmp_path / "x").exists()
        assert part.parent == tmp_path  # beside it, so that the rename stays on one disk
    assert (tmp_path / "x").read_text() == "new"


@pytest.mark.parametrize("kind", [RuntimeError, KeyboardInterrupt, UserError])
@pytest.mark.parametrize("there", [True, False])
def test_an_error_leaves_the_old_file_and_nothing_else(tmp_path, kind, there):
    if there:
        write_text(tmp_path / "x", "old")
    before = contents(tmp_path)

    def write_half() -> None:
        with whole_file(tmp_path / "x") as part:
            part.write_text("half")
            raise kind("in the middle")

    with pytest.raises(kind):
        write_half()
    assert contents(tmp_path) == before


@pytest.mark.parametrize("kind", [RuntimeError, KeyboardInterrupt, UserError])
@pytest.mark.parametrize("there", [True, False])
def test_an_error_leaves_the_old_folder_and_nothing_else(tmp_path, kind, there):
    if there:
        write_text(tmp_path / "x" / "inner" / "file", "old")
    before = contents(tmp_path)

    def write_half() -> None:
        with whole_folder(tmp_path / "x") as part:
            (part / "inner").mkdir()
            (part / "inner" / "file").write_text("half")
            raise kind("in the middle")

    with pytest.raises(kind):
        write_half()
    assert contents(tmp_path) == before
    assert [path.name for path in tmp_path.iterdir()] == (["x"] if there else [])


def test_a_folder_takes_the_place_of_the_old_one_and_of_all_its_files(tmp_path):
    for name in ("first", "second"):
        with whole_folder(tmp_path / "x") as part:
            assert list(part.iterdir()) == []
            (part / "deep").mkdir()
            (part / "deep" / name).write_text(name)
    assert contents(tmp_path) == {os.path.join("x", "deep", "second"): b"second"}
    assert [path.name for path in tmp_path.iterdir()] == ["x"]


def test_a_second_rename_that_fails_brings_the_old_folder_back(tmp_path, monkeypatch):
    write_text(tmp_path / "x" / "file", "old")
    real, calls = os.replace, []

    def once(source, target):
        calls.append(target)
        if len(calls) == 2:
            raise RuntimeError("the rename of the new folder fails")
        real(source, target)

    monkeypatch.setattr(files.os, "replace", once)
    with pytest.raises(RuntimeError), whole_folder(tmp_path / "x") as part:
        (part / "file").write_text("new")
    assert contents(tmp_path) == {os.path.join("x", "file"): b"old"}


def test_what_a_killed_process_left_behind_does_not_get_into_the_next_folder(tmp_path):
    left = tmp_path / f".x.{os.getpid()}.part"
    left.mkdir()
    (left / "junk").write_text("half")
    with whole_folder(tmp_path / "x") as part:
        (part / "file").write_text("new")
    assert contents(tmp_path) == {os.path.join("x", "file"): b"new"}


WRITERS: dict[str, Callable[[Path], object]] = {
    "Python": lambda path: path.write_bytes(b"x" * 100_000),
    "NumPy": lambda path: np.zeros(100_000).tofile(path),
    "safetensors": lambda path: save_file({"x": torch.zeros(100_000)}, path),
}


@pytest.mark.parametrize("writer", WRITERS)
def test_a_full_disk_is_told_in_one_line_and_keeps_what_was_there(tmp_path, writer):
    write_text(tmp_path / "folder" / "file", "old")
    write_text(tmp_path / "file", "old")
    before = contents(tmp_path)
    with file_limit(5000):
        with (
            pytest.raises(UserError, match="Could not write .*file: .* is kept") as caught,
            whole_file(tmp_path / "file") as part,
        ):
            WRITERS[writer](part)
        assert "\n" not in str(caught.value)
        with (
            pytest.raises(UserError, match="Could not write .*folder: .* is kept"),
            whole_folder(tmp_path / "folder") as part,
        ):
            WRITERS[writer](part / "file")
    assert contents(tmp_path) == before


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="/dev/full is a file of Linux")
@pytest.mark.parametrize("writer", ["Python", "NumPy"])
def test_a_device_without_space_is_told_as_such(writer):
    with (
        pytest.raises(UserError, match="Could not write here: no space is left on the disk"),
        storage_errors("here"),
    ):
        WRITERS[writer](Path("/dev/full"))


def test_a_place_that_cannot_hold_a_file_is_told_in_one_line(tmp_path):
    write_text(tmp_path / "file", "old")
    with pytest.raises(UserError, match="a part of that path is a file, not a folder") as caught:
        write_text(tmp_path / "file" / "below", "new")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "number, told",
    [
        (errno.EACCES, "permission denied. Choose a folder that you may write to"),
        (errno.EPERM, "the system does not permit it. Choose a folder that you may write to"),
        (errno.EROFS, "the file system is read-only"),
        (errno.EDQUOT, "the disk quota is used up"),
    ],
)
def test_what_a_test_cannot_bring_about_is_told_by_its_number(number, told):
    with pytest.raises(UserError, match=f"Could not write x: {told}"), storage_errors("x"):
        raise OSError(number, os.strerror(number))


def test_an_error_that_is_not_the_storages_stays_what_it_is():
    for error in (
        FileNotFoundError(errno.ENOENT, "x"),
        ValueError("3 requested and 2 written"),
        OSError("x"),
    ):
        with pytest.raises(type(error)), storage_errors("x"):
            raise error


LINUX = pytest.mark.skipif(not Path("/proc/self").exists(), reason="/proc and /sys are folders of Linux")
REFUSED = [
    pytest.param("/proc/x/groundup/prepared", "no file or folder can be made there", marks=LINUX),
    pytest.param("/proc/zz", "no file or folder can be made there", marks=LINUX),
    pytest.param("/sys/.cache/groundup", "Choose a folder that you may write to", marks=LINUX),
    ("file/below", "a part of that path is a file, not a folder"),
    ("file/below/further", "a part of that path is a file, not a folder"),
    ("n" * 300, "that name is too long. Choose a shorter one"),
    ("n" * 300 + "/below", "that name is too long. Choose a shorter one"),
]


@pytest.mark.parametrize("place, told", REFUSED)
def test_a_place_where_nothing_can_be_written_is_told_in_one_line_by_all_that_write(tmp_path, place, told):
    def new_folder(path: Path) -> None:
        with whole_folder(path):
            pytest.fail("the block must not even begin")

    write_text(tmp_path / "file", "old")
    for write in (check_writable, new_folder, lambda path: write_text(path, "new")):
        with pytest.raises(UserError, match=f"Could not write .*{told}") as caught:
            write(tmp_path / place)
        assert "\n" not in str(caught.value)
    assert [(path.name, path.read_text()) for path in tmp_path.iterdir()] == [("file", "old")]


def test_a_folder_or_device_is_not_replaced_by_a_file_nor_a_file_by_a_folder(tmp_path):
    write_text(tmp_path / "folder" / "file", "old")
    before = contents(tmp_path)
    device = [os.devnull] if os.name == "posix" else []  # an administrator may replace it, which nobody wants
    for taken in [tmp_path / "folder", *device]:
        with pytest.raises(UserError, match="what has that name is no file"), whole_file(taken):
            pytest.fail("the block must not even begin")
    place = tmp_path / "folder" / "file"
    with pytest.raises(UserError, match="is a file, not a folder"), whole_folder(place):
        pytest.fail("the block must not even begin")
    with pytest.raises(UserError, match="is a file, not a folder"):
        check_writable(place)
    assert contents(tmp_path) == before


@LINUX
@pytest.mark.parametrize("folder", ["/proc", "/sys"])
def test_a_folder_that_takes_no_files_is_no_place_to_write(folder):
    with pytest.raises(UserError, match=f"Could not write {folder}: "):
        check_writable(Path(folder))


def test_asking_whether_a_folder_can_be_written_leaves_at_most_its_parents(tmp_path):
    check_writable(tmp_path / "a" / "b" / "c")
    assert sorted(tmp_path.rglob("*")) == [tmp_path / "a", tmp_path / "a" / "b"]
    write_text(tmp_path / "a" / "file", "old")
    check_writable(tmp_path / "a")
    assert contents(tmp_path) == {os.path.join("a", "file"): b"old"}
    assert len(list((tmp_path / "a").iterdir())) == 2


def test_a_file_that_was_read_in_vain_is_not_taken_for_one_that_could_not_be_written(tmp_path):
    with pytest.raises(FileNotFoundError), whole_file(tmp_path / "x"):
        (tmp_path / "input").read_text()
    with pytest.raises(IsADirectoryError), whole_file(tmp_path / "x"):
        open(os.path.dirname(__file__))


def test_a_folder_being_removed_is_whole_or_not_there_at_all(tmp_path, monkeypatch):
    write_text(tmp_path / "x" / "file", "old")
    write_text(tmp_path / ".x.old" / "left", "of a killed process")
    real, seen = files.shutil.rmtree, []

    def watched(path, **options):
        seen.append(contents(tmp_path / "x"))
        real(path, **options)

    monkeypatch.setattr(files.shutil, "rmtree", watched)
    remove_folder(tmp_path / "x")
    assert seen == [{"file": b"old"}, {}]
    assert list(tmp_path.iterdir()) == []


def test_json_is_readable_and_comes_back(tmp_path):
    value = {"name": "día", "list": [1, 2.5, None, True]}
    write_json(tmp_path / "x.json", value)
    text = (tmp_path / "x.json").read_text("utf-8")
    assert json.loads(text) == value
    assert '\n  "name": "día"' in text
    assert text.endswith("}\n")


def test_a_digest_is_that_of_the_bytes(tmp_path):
    data = bytes(range(256)) * 5000
    (tmp_path / "x").write_bytes(data)
    assert sha256(tmp_path / "x") == hashlib.sha256(data).hexdigest()


def test_the_cache_follows_the_environment(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert cache_folder() == tmp_path / "groundup"
    monkeypatch.delenv("XDG_CACHE_HOME")
    assert cache_folder() == Path.home() / ".cache" / "groundup"
