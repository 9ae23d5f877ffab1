"""Processes that encode: gone at once when nobody wants their results; one line where they cannot start."""

import multiprocessing
import os
import signal
import subprocess
import sys
from pathlib import Path

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


def test_a_script_that_starts_itself_again_in_each_process_is_told_what_to_write(tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text(
        "from groundup.data.encoding import Encoder\n"
        "from groundup.text.tokenizer import Tokenizer\n"
        "from tests.data.test_encoding import blocks\n"
        "with Encoder(Tokenizer.from_bytes(), None, 1) as encoder:\n"
        "    list(encoder.map(iter(blocks(1))))\n",
        encoding="utf-8",
    )
    root = Path(__file__).parents[2]
    done = subprocess.run(
        [sys.executable, str(script)],
        capture_output=True,
        text=True,
        timeout=60,
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(root), str(root / "src")])},
    )
    assert done.returncode == 1
    assert 'below `if __name__ == "__main__":`' in done.stderr.splitlines()[-1]
