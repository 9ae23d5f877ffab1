"""A folder is held by one process at a time, and nobody can leave it held."""

import os
import threading
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

import pytest
from filelock import FileLock

from groundup.errors import UserError
from groundup.system import lock
from groundup.system.lock import alone, in_turn, is_held


def test_a_folder_is_held_during_the_block_and_free_after_it(tmp_path: Path) -> None:
    assert is_held(tmp_path) is False
    with alone(tmp_path, "taken"):
        assert is_held(tmp_path) is True
        with pytest.raises(UserError, match="taken"), alone(tmp_path, "taken"):
            pass
    assert is_held(tmp_path) is False


def test_a_file_is_waited_for_whoever_holds_it_by_this_lock_or_by_that_of_the_hub(tmp_path: Path) -> None:
    file, order = tmp_path / "a.lock", list[str]()
    ours, theirs = lambda: in_turn(file), lambda: FileLock(file, poll_interval=0.01)
    for first, second in ((ours, theirs), (theirs, ours)):

        def wait(second: Callable[[], AbstractContextManager] = second) -> None:
            with second():
                order.append("second")

        thread = threading.Thread(target=wait)
        with first():
            thread.start()
            time.sleep(0.1)
            order.append("first")
        thread.join()
    assert order == ["first", "second"] * 2


@pytest.mark.skipif(not hasattr(os, "fork"), reason="There is no fork here.")
def test_a_process_that_is_killed_lets_go(tmp_path: Path) -> None:
    child = os.fork()
    if not child:
        with alone(tmp_path, "taken"):
            (tmp_path / "ready").touch()
            time.sleep(60)
    try:
        while not (tmp_path / "ready").exists():
            time.sleep(0.001)
        assert is_held(tmp_path) is True
    finally:
        os.kill(child, 9)
        os.waitpid(child, 0)
    assert is_held(tmp_path) is False


def test_a_mere_look_at_the_folder_does_not_turn_a_run_away(tmp_path: Path) -> None:
    taken = threading.Event()

    def look() -> None:
        with open(tmp_path / ".lock", "a+") as file:
            lock._lock(file.fileno())
            taken.set()
            time.sleep(lock.PAUSE_SECONDS)

    thread = threading.Thread(target=look)
    thread.start()
    taken.wait()
    with alone(tmp_path, "taken"):
        pass
    thread.join()
