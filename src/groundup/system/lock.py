"""One process at a time: a folder that is held while somebody writes to it."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from groundup.errors import UserError
from groundup.system.files import storage_errors


@contextmanager
def alone(folder: Path, message: str) -> Iterator[None]:
    """Hold a folder (made if need be) during the block. UserError(message) if another process does."""
    with storage_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
        lock = open(folder / ".lock", "a+", encoding="utf-8")
    with lock:
        if not _lock(lock.fileno()):
            raise UserError(message)
        yield


def _lock(handle: int) -> bool:
    """Take the lock of an open file; the system gives it back when the process ends, however it ends.

    False if another process has it. A file system without locks (some network drives) refuses nothing.
    """
    try:
        if os.name == "nt":
            import msvcrt

            msvcrt.locking(handle, msvcrt.LK_NBLCK, 1)  # type: ignore[attr-defined]
        else:
            import fcntl

            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except (BlockingIOError, PermissionError):
        return False
    except OSError:
        return True
    return True
