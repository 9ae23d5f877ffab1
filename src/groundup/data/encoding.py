"""Encode the documents of a corpus in their order: in this process, or in several others."""

import multiprocessing
import os
import signal
import threading
from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from multiprocessing.connection import wait
from typing import Any

from groundup.data.piece import Report
from groundup.data.split import Place
from groundup.data.writing import Encoded, Floor, encode
from groundup.errors import UserError
from groundup.text.tokenizer import Tokenizer

PARTS = ("train", "validation")

ENDED = (
    "A process that encodes texts was ended by the system, perhaps because the memory was full. "
    "What is written is kept: the same command goes on from there."
)
NOT_STARTED = (
    "The processes that encode texts could not start. Each reads the script that was called: put what it "
    'does below `if __name__ == "__main__":`, or ask for no processes with processes=0. If there is no '
    "script, the memory may be full."
)


@dataclass
class Block:
    """A group of documents on its way: where reading stood after them, and their texts by part."""

    place: Place
    report: Report
    texts: dict[str, list[str]] = field(default_factory=lambda: {part: [] for part in PARTS})


class Encoder:
    """Encodes blocks in their order: in this process, or several ahead in others."""

    def __init__(self, tokenizer: Tokenizer, floor: Floor | None, processes: int):
        self.tokenizer, self.floor, self.processes = tokenizer, floor, processes
        self.pool: ProcessPoolExecutor | None = None
        self.has_worked = False  # a first block came back from another process
        self._before: Any = None  # what SIGTERM did outside

    def __enter__(self) -> "Encoder":
        if self.processes:
            self._before = _end_in_order()
            # Not a copy of this process (fork): its threads would be missing there, and their locks be held.
            self.pool = ProcessPoolExecutor(
                self.processes,
                mp_context=multiprocessing.get_context("spawn"),
                initializer=_start_worker,
                initargs=(self.tokenizer.library.to_str(), self.tokenizer.config, self.floor),
            )
        return self

    def __exit__(self, kind: type[BaseException] | None, *error: object) -> None:
        if self.pool is None:
            return
        if kind is not None:
            # Nobody wants their results. Asking them to end would hang if Ctrl-C comes again meanwhile.
            for process in list((self.pool._processes or {}).values()):
                process.terminate()
        self.pool.shutdown(wait=True, cancel_futures=True)
        if self._before is not None:
            signal.signal(signal.SIGTERM, self._before)

    def map(self, blocks: Iterator[Block]) -> Iterator[tuple[Block, dict[str, Encoded]]]:
        """Each block with its tokens by part, in order."""
        if self.pool is None:
            for block in blocks:
                yield block, _encode_parts(block.texts, self.tokenizer, self.floor)
            return
        waiting: deque[tuple[Block, Future]] = deque()
        try:
            for block in blocks:
                with _without_ctrl_c():  # it may start a process, which has to be deaf to it from the first
                    waiting.append((block, self.pool.submit(_work, block.texts)))
                block.texts = {}  # the other process has them: only so many are held here
                if len(waiting) > self.processes + 1:
                    yield self._next(waiting)
            while waiting:
                yield self._next(waiting)
        except BrokenProcessPool as error:
            raise UserError(ENDED if self.has_worked else NOT_STARTED) from error

    def _next(self, waiting: "deque[tuple[Block, Future]]") -> tuple[Block, dict[str, Encoded]]:
        block, future = waiting.popleft()
        encoded = future.result()
        self.has_worked = True
        return block, encoded


def _encode_parts(
    texts: dict[str, list[str]], tokenizer: Tokenizer, floor: Floor | None
) -> dict[str, Encoded]:
    return {
        part: encode(documents, tokenizer, floor if part == "validation" else None)
        for part, documents in texts.items()
        if documents
    }


def _end_in_order() -> Any:
    """Have SIGTERM end this process as an error would, not at once; gives the handler that was there before.

    Otherwise Python's own watcher of shared things would print a warning about those of the workers.
    """

    def end(number: int, frame: object) -> None:
        raise SystemExit(128 + number)

    with suppress(ValueError):  # only the main thread may set handlers
        return signal.signal(signal.SIGTERM, end)


@contextmanager
def _without_ctrl_c() -> Iterator[None]:
    """Ctrl-C waits until the end of this block; a process that is started in it never hears of it."""
    if not hasattr(signal, "pthread_sigmask"):
        yield  # Windows
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


_WORKER: list = []  # of a worker process: its tokenizer and floor


def _start_worker(library: str, config: dict, floor: Floor | None) -> None:
    """Make a worker's tokenizer once. Ctrl-C is the first process's business; without it, a worker ends."""
    import tokenizers

    signal.signal(signal.SIGINT, signal.SIG_IGN)
    _WORKER[:] = [Tokenizer(tokenizers.Tokenizer.from_str(library), config), floor]
    parent = multiprocessing.parent_process()
    if parent is not None:

        def follow() -> None:
            wait([parent.sentinel])
            os._exit(1)

        threading.Thread(target=follow, daemon=True).start()


def _work(texts: dict[str, list[str]]) -> dict[str, Encoded]:
    return _encode_parts(texts, *_WORKER)
