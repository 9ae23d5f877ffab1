"""UserError: a mistake that the user can mend, told in one line with the remedy."""

import difflib
from collections.abc import Iterable


class UserError(Exception):
    """Raised for what the user can mend; the command line prints it without a traceback and exits with 2.

    The message is one line: what was given, what was expected, what to do.
    """


def did_you_mean(given: str, known: Iterable[str], aliases: dict[str, str] | None = None) -> str:
    """' Did you mean X?' for the known name nearest to what was given, or an empty string."""
    aliases = aliases or {}
    near = difflib.get_close_matches(given, [*known, *aliases], n=1, cutoff=0.6)
    return f" Did you mean {aliases.get(near[0], near[0])!r}?" if near else ""
