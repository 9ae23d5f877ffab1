"""Processes that encode: gone at once when nobody wants their results; one line where they cannot start."""

import multiprocessing
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from groundup.data.encoding import Block, Encoder
from groundup.data.piece import Report
from groundup.data.split import Place
from groundup.text.tokenizer import Tokenizer

BYTES = Tokenizer.from_bytes()


def blocks(count: int) -> list[Block]:
    return [
        Block(Place(record=n), Report(), {"train": [f"Tale {n}."], "validation": []}) for n in range(count)
    ]


def test_an_interruption_ends_the_processes_at_once_and_ctrl_c_never_reaches_them() -> None:
    encoder, before = Encoder(BYTES, None, 1), set(multiprocessing.active_children())
    encoder.__enter__()
    assert next(encoder.map(iter(blocks(5))))[0].place.record == 0
    (worker,) = set(multiprocessing.active_children()) - before
    status = Path(f"/proc/{worker.pid}/status")
    if status.exists():  # Linux; its line SigBlk holds a bit for each signal that is held back
        held = next(line for line in status.read_text().splitlines() if line.startswith("SigBlk"))
        assert int(held.split()[1], 16) >> (signal.SIGINT - 1) & 1
    encoder.__exit__(KeyboardInterrupt)
    assert worker.exitcode == -signal.SIGTERM


SCRIPT = """
from groundup.data.encoding import Encoder
from groundup.text.tokenizer import Tokenizer
from tests.data.test_encoding import blocks
"""


def start(folder: Path, program: str) -> subprocess.Popen[str]:
    """Start a script as a process of its own."""
    script, root = folder / "script.py", Path(__file__).parents[2]
    script.write_text(SCRIPT + program, encoding="utf-8")
    env = {**os.environ, "PYTHONPATH": os.pathsep.join([str(root), str(root / "src")])}
    pipe = subprocess.PIPE
    return subprocess.Popen([sys.executable, str(script)], stdout=pipe, stderr=pipe, text=True, env=env)


@pytest.mark.skipif(os.name == "nt", reason="Windows has no SIGTERM that a process could hear.")
def test_asked_to_end_it_leaves_without_a_word_and_without_its_workers(tmp_path: Path) -> None:
    program = """
if __name__ == "__main__":
    with Encoder(Tokenizer.from_bytes(), None, 1) as encoder:
        for block, _ in encoder.map(iter(blocks(20_000))):
            print(block.place.record, flush=True)
"""
    with start(tmp_path, program) as process:
        assert process.stdout
        assert process.stdout.readline() == "0\n"
        process.terminate()
        _, said = process.communicate(timeout=30)  # the workers and Python's own helper hold stderr, too
    assert (process.returncode, said) == (128 + signal.SIGTERM, "")


def test_a_script_that_starts_itself_again_in_each_process_is_told_what_to_write(tmp_path: Path) -> None:
    program = """
with Encoder(Tokenizer.from_bytes(), None, 1) as encoder:
    list(encoder.map(iter(blocks(1))))
"""
    with start(tmp_path, program) as process:
        _, said = process.communicate(timeout=60)
    assert process.returncode == 1
    assert 'below `if __name__ == "__main__":`' in said.splitlines()[-1]
