"""One process at a time: a folder that is held while somebody writes to it, a file that is waited for."""

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from groundup.errors import UserError
from groundup.system.files import storage_errors

LOCK = ".lock"
TRIES, PAUSE_SECONDS = 5, 0.02
"""`is_held` has the lock for a moment, too, so a single refusal does not yet mean that somebody writes."""


@contextmanager
def alone(folder: Path, message: str) -> Iterator[None]:
    """Hold a folder (made if need be) during the block. UserError(message) if another process does."""
    with storage_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
        lock = open(folder / LOCK, "a+", encoding="utf-8")
    with lock:
        for attempt in range(TRIES):
            if _lock(lock.fileno()) is not False:
                break
            if attempt == TRIES - 1:
                raise UserError(message)
            time.sleep(PAUSE_SECONDS)
        yield


@contextmanager
def in_turn(file: Path) -> Iterator[None]:
    """Hold a file's lock during the block, waiting until whoever has it gives it back. The file stays there.

    The package filelock, with which huggingface_hub takes its locks, waits for this one and is waited for.
    """
    file.parent.mkdir(parents=True, exist_ok=True)
    with open(file, "a+", encoding="utf-8") as lock:
        while _lock(lock.fileno()) is False:
            time.sleep(PAUSE_SECONDS)
        yield


def is_held(folder: Path) -> bool | None:
    """Whether a living process holds the folder; None where the file system knows no locks.

    What a process writes down about itself stays when it is killed. The lock does not: the system gives it
    back, however the process ends.
    """
    try:
        with open(folder / LOCK, encoding="utf-8") as lock:
            free = _lock(lock.fileno())
    except FileNotFoundError:
        return False
    except OSError:
        return None
    return None if free is None else not free


def _lock(handle: int) -> bool | None:
    """Take the lock of an open file, which goes back when it is closed or the process ends.

    False if another one has it. None if there are no locks (some network drives): that refuses nothing.
    """
    try:
        if os.name == "nt":
            import msvcrt

            msvcrt.locking(handle, msvcrt.LK_NBLCK, 1)
        else:
            import fcntl

            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except (BlockingIOError, PermissionError):
        return False
    except OSError:
        return None
    return True
