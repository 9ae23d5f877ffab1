"""Runs every check of the house that is not a test, one line each; prints more only about those that fail.

python tools/check.py             all of them
python tools/check.py types lint  some of them
"""

import subprocess
import sys
import sysconfig
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PYTHON = sys.executable

CHECKS = {
    "format": [PYTHON, "-m", "ruff", "format", "--check", "--quiet", "."],
    "lint": [PYTHON, "-m", "ruff", "check", "--quiet", "."],
    "types": [PYTHON, "-m", "basedpyright", "--pythonpath", PYTHON],
    "layers": [str(Path(sysconfig.get_path("scripts")) / "lint-imports"), "--no-cache", "--no-logo"],
    "lengths": [PYTHON, "tools/lengths.py"],
    "own words": [PYTHON, "tools/own_words.py"],
    "start-up": [PYTHON, "tools/start_up.py"],
    "recipes": [PYTHON, "tools/recipes.py"],
    "docs/cli.md": [PYTHON, "tools/cli_docs.py", "--check"],
}
HOW_TO_MEND = {
    "format": "python -m ruff format .",
    "lint": "python -m ruff check --fix . mends some of these.",
    "docs/cli.md": "make docs",
}


def main(names: list[str]) -> int:
    """Run the named checks, or all of them. Returns the exit code."""
    unknown = [name for name in names if name not in CHECKS]
    if unknown:
        print(f"There is no check {unknown[0]!r}. There are: {', '.join(CHECKS)}.", file=sys.stderr)
        return 2
    failed = [name for name in names or CHECKS if not passes(name)]
    if failed:
        print(f"\n{len(failed)} of {len(names or CHECKS)} checks failed: {', '.join(failed)}")
    return bool(failed)


def passes(name: str) -> bool:
    """Run one check and print its line; the check's own output only if it fails."""
    print(f"check  {name:12s}", end="", flush=True)
    start = time.perf_counter()
    done = subprocess.run(
        CHECKS[name], cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace"
    )
    print(f"{'ok' if done.returncode == 0 else 'FAILED':7s}{time.perf_counter() - start:5.1f} s", flush=True)
    if done.returncode:
        print(done.stdout.rstrip())
        if name in HOW_TO_MEND:
            print(f"To mend it: {HOW_TO_MEND[name]}")
    return done.returncode == 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
