"""Files and folders that appear whole or not at all, whatever interrupts the writing."""

import errno
import hashlib
import json
import os
import re
import shutil
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from groundup.errors import UserError

LARGE = 16 << 20
"""Bytes of a file whose sha256 is remembered: reading 100 GB again at each start would take minutes."""

FRESH_SECONDS = 5
"""A file changed so short a time ago may change again without its time of change showing it."""


_LEFTOVER = re.compile(r"\.(.+?)(\.\d+\.part|\.old)")
"""The names beside PATH under which `whole_file`, `whole_folder` and `remove_folder` work."""


@contextmanager
def whole_file(path: Path | str) -> Iterator[Path]:
    """Gives a place beside `path` to write to; it becomes `path` only if the block ends without an error."""
    path = Path(path)
    with storage_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.exists() and not path.is_file():  # a folder, or a device, which the rename would replace
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
        part = path.with_name(f".{path.name}.{os.getpid()}.part")
        try:
            yield part
            flush(part)
            os.replace(part, path)
            flush(path.parent)
        finally:
            part.unlink(missing_ok=True)


@contextmanager
def whole_folder(path: Path | str) -> Iterator[Path]:
    """Gives an empty folder beside `path`; it becomes `path` only if the block ends without an error.

    A folder that is there already is replaced in two renames; a crash between them leaves it as `.NAME.old`.
    A link stays, and what it leads to is replaced.
    """
    path = Path(path).resolve() if os.path.islink(path) else Path(path)
    with storage_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.exists() and not path.is_dir():
            raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), str(path))
        part = path.with_name(f".{path.name}.{os.getpid()}.part")
        old = path.with_name(f".{path.name}.old")
        shutil.rmtree(part, ignore_errors=True)
        part.mkdir()
        try:
            yield part
            for file in part.rglob("*"):
                flush(file)
            flush(part)
            if path.exists():
                shutil.rmtree(old, ignore_errors=True)
                os.replace(path, old)
            os.replace(part, path)
            flush(path.parent)
            shutil.rmtree(old, ignore_errors=True)
        except BaseException:
            if old.exists() and not path.exists():
                os.replace(old, path)
            raise
        finally:
            shutil.rmtree(part, ignore_errors=True)


def remove_folder(path: Path) -> None:
    """Delete a folder so that a reader finds it whole or not at all: it is renamed before its files go."""
    old = path.with_name(f".{path.name}.old")
    with storage_errors(path):
        shutil.rmtree(old, ignore_errors=True)
        os.replace(path, old)
        shutil.rmtree(old)


def remove_leftovers(folder: Path, *, shared: Iterable[str] = ()) -> None:
    """Delete what killed processes left half written or half deleted in a folder that nobody else writes to.

    shared: names that others may be writing even so. Of these only what is older than a minute goes.
    """
    for path in folder.glob(".*"):
        found = _LEFTOVER.fullmatch(path.name)
        if not found or (found[1] in shared and time.time() - path.stat().st_mtime < 60):
            continue
        with storage_errors(path):
            shutil.rmtree(path) if path.is_dir() else path.unlink()


def check_writable(folder: Path) -> None:
    """Ask before long work whether files can be written into `folder`. UserError with the reason if not.

    The folder itself need not be there: only its parents are made, and nothing else is left behind.
    """
    with storage_errors(folder):
        if folder.exists():
            probe = folder / f".{os.getpid()}.part"
        else:
            folder.parent.mkdir(parents=True, exist_ok=True)
            probe = folder.with_name(f".{folder.name}.{os.getpid()}.part")
        probe.mkdir(exist_ok=True)
        try:
            (probe / "file").write_bytes(b"x")
        finally:
            shutil.rmtree(probe, ignore_errors=True)


def write_text(path: Path | str, text: str) -> None:
    """Write UTF-8 text so that the file appears whole or not at all."""
    with whole_file(path) as part:
        part.write_text(text, encoding="utf-8", newline="\n")


def write_json(path: Path | str, value: Any) -> None:
    """Write a value as indented JSON, whole or not at all."""
    write_text(path, json.dumps(value, indent=2, ensure_ascii=False) + "\n")


def write_jsonl(path: Path | str, records: Iterable[Any]) -> None:
    """Write each record as one line of JSON, all of them or none."""
    with whole_file(path) as part, open(part, "wb") as file:
        for record in records:
            # Half a character, as some data have it, cannot be UTF-8; its escape is proper JSON.
            line = json.dumps(record, ensure_ascii=False).encode("utf-8", "backslashreplace")
            file.write(line + b"\n")


def sha256(path: Path | str) -> str:
    """The sha256 of a file's bytes, as 64 hexadecimal digits."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def known_sha256(path: Path) -> str:
    """The sha256 of a file. That of a large one is remembered for as long as its size and its time stay."""
    about = os.stat(path)
    if about.st_size < LARGE:
        return sha256(path)
    seen = f"{path.resolve()} {about.st_size} {about.st_mtime_ns} {about.st_ino}"
    kept = cache_folder() / "sha256" / hashlib.sha256(os.fsencode(seen)).hexdigest()
    with suppress(OSError):
        remembered = kept.read_bytes()
        if re.fullmatch(rb"[0-9a-f]{64}", remembered):  # a crash of the machine can leave an empty file
            return remembered.decode()
    found = sha256(path)
    if time.time() - about.st_mtime > FRESH_SECONDS:
        with suppress(UserError):  # where nothing can be kept, it is computed again
            write_text(kept, found)
    return found


def cache_folder() -> Path:
    """Where downloads and prepared data are kept: XDG_CACHE_HOME/groundup, by default ~/.cache/groundup."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "groundup"


@contextmanager
def storage_errors(path: Path | str) -> Iterator[None]:
    """Turns what the storage refuses (no space, no permission, read-only) into one line with the remedy."""
    try:
        yield
    except Exception as error:
        number = _system_error(error)
        remedy = _REMEDIES.get(number)
        if remedy is None or (number in _OF_READING_TOO and not _is_about(error, Path(path))):
            raise
        raise UserError(f"Could not write {path}: {remedy}") from error


def _system_error(error: Exception) -> int:
    """The number of the operating system's error, or 0 where it is something else.

    Two libraries keep the number to themselves: safetensors writes it into its message, and NumPy's `tofile`
    says only how much of an array it could write, which in practice is a full disk.
    """
    if isinstance(error, OSError) and error.errno:
        return error.errno
    told = re.search(r"\(os error (\d+)\)", str(error))
    if told:
        return int(told[1])
    cut_short = isinstance(error, OSError) and re.search(r"\d+ requested and \d+ written", str(error))
    return errno.ENOSPC if cut_short else 0


def _is_about(error: Exception, path: Path) -> bool:
    """Whether an error names `path`, a folder on the way to it, or what is written beside or in it first."""
    named = [
        Path(name) for name in (getattr(error, "filename", None), getattr(error, "filename2", None)) if name
    ]
    beside = path.with_name(f".{path.name}.{os.getpid()}.part") if path.name else path
    probe = path / f".{os.getpid()}.part"
    return bool({path, *path.parents, beside, probe} & {*named})


_KEPT = "what was there is kept"

_REMEDIES = {
    errno.ENOSPC: f"no space is left on the disk. Free some space, or choose another folder; {_KEPT}.",
    errno.EFBIG: f"the file would be larger than allowed here. Raise the limit (ulimit -f); {_KEPT}.",
    getattr(
        errno, "EDQUOT", -1
    ): f"the disk quota is used up. Free some space, or choose another folder; {_KEPT}.",
    errno.EACCES: "permission denied. Choose a folder that you may write to.",
    errno.EPERM: "the system does not permit it. Choose a folder that you may write to.",
    errno.EROFS: "the file system is read-only. Choose a folder that you may write to.",
    errno.ENOENT: "no file or folder can be made there. Choose another place.",
    errno.EISDIR: "what has that name is no file that can be replaced. Choose another name.",
    errno.ENOTDIR: "a part of that path is a file, not a folder. Choose another place.",
    errno.EEXIST: "a part of that path is a file, not a folder. Choose another place.",
    errno.ENAMETOOLONG: "that name is too long. Choose a shorter one.",
}
"""What the storage can refuse, and what to do about it."""

_OF_READING_TOO = {errno.ENOENT, errno.EISDIR}
"""These count only where the error names the place itself: a block may also have read a file in vain."""


def flush(path: Path) -> None:
    """Ask the operating system to put a file or a folder's entries on the disk."""
    if os.name == "nt" and path.is_dir():
        return  # Windows cannot open folders; its renames are journaled.
    handle = os.open(path, os.O_RDWR if os.name == "nt" else os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
