"""Writes docs/cli.md from the command line's own help texts; with --check, only compares.

Every verb with its options stands on one page to search, and it cannot go stale: `make check` compares it.
"""

import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import typer

from groundup.cli import build

PAGE = Path(__file__).resolve().parent.parent / "docs" / "cli.md"
HEAD = """# The command line

Written by `make docs` from the help texts in `src/groundup/cli/`; do not edit it here.
`python -m groundup VERB` is the same as `groundup VERB`.
"""


def sections(command: Any, path: str, above: Any = None) -> Iterator[str]:
    """One command as Markdown (what it is for, how to call it, what can be given), then each one under it."""
    context = typer.Context(command, info_name=path.split()[-1], parent=above)
    names = command.list_commands(context) if hasattr(command, "list_commands") else []
    children = [(name, command.get_command(context, name)) for name in names]
    rows = [(name, prose(child.help).split("\n")[0]) for name, child in children]
    rows += [
        record for p in command.params if (record := p.get_help_record(context)) and "--help" not in p.opts
    ]
    lines = [f"{'#' * (1 + len(path.split()))} {path}", "", prose(command.help), "", "```"]
    lines += [" ".join([path, *command.collect_usage_pieces(context)]), "```"]
    if rows:
        lines += ["", "| | |", "|---|---|", *(f"| `{cell(left)}` | {cell(right)} |" for left, right in rows)]
    yield "\n".join(lines) + "\n"
    for name, child in children:
        yield from sections(child, f"{path} {name}", context)


def prose(text: str | None) -> str:
    """A help text as Markdown: each paragraph on one line, indented ones (examples) as code."""
    paragraphs = re.split(r"\n\s*?\n", (text or "").replace("\b", "").strip("\n"))
    return "\n\n".join("    " * p.startswith(" ") + " ".join(p.split()) for p in paragraphs)


def cell(text: str) -> str:
    """A text that can stand in a Markdown table."""
    return " ".join(text.split()).replace("|", "\\|")


def page() -> str:
    """The whole text of docs/cli.md."""
    return "\n".join([HEAD, *sections(typer.main.get_command(build()), "groundup")])


def main(arguments: list[str]) -> int:
    """Write or compare the page. Returns the exit code."""
    text = page()
    if arguments != ["--check"]:
        PAGE.write_text(text, encoding="utf-8", newline="\n")
        return 0
    if not PAGE.exists() or PAGE.read_text(encoding="utf-8") != text:
        print("docs/cli.md is not what the command line says now.")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
