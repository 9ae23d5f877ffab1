"""Finds files of over 300 lines and functions of over 60, so that each stays a paragraph to read."""

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
FOLDERS = ("src", "tests", "tools", "benchmarks")  # A lesson is a chapter, mostly prose.
LINES_OF_A_FILE, LINES_OF_A_FUNCTION = 300, 60

EXCEPTIONS: dict[str, str] = {}
"""What may be longer, as "path" or "path:function", and the reason why it reads better in one piece."""


def too_long(folder: Path) -> Iterator[tuple[str, int, int]]:
    """(what, its lines, the lines allowed) for each file and function under `folder` that is too long."""
    for path in sorted(folder.rglob("*.py")):
        name, source = path.relative_to(ROOT).as_posix(), path.read_text(encoding="utf-8")
        lines = len(source.splitlines())
        if lines > LINES_OF_A_FILE:
            yield name, lines, LINES_OF_A_FILE
        for node in ast.walk(ast.parse(source)):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                lines = (node.end_lineno or node.lineno) - node.lineno + 1
                if lines > LINES_OF_A_FUNCTION:
                    yield f"{name}:{node.name}", lines, LINES_OF_A_FUNCTION


def main() -> int:
    """Print what is too long, and the exceptions that are no longer needed. Returns the exit code."""
    found = {what: (lines, limit) for name in FOLDERS for what, lines, limit in too_long(ROOT / name)}
    complaints = [
        f"{what}: {lines} lines, at most {limit}. Split it, or give a reason in tools/lengths.py."
        for what, (lines, limit) in found.items()
        if what not in EXCEPTIONS
    ]
    complaints += [
        f"{what} is no longer too long: take it out of tools/lengths.py."
        for what in EXCEPTIONS
        if what not in found
    ]
    print("\n".join(complaints))
    return bool(complaints)


if __name__ == "__main__":
    sys.exit(main())
