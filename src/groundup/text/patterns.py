"""The rules that cut a text into pieces before byte-pair encoding: GPT-2's and GPT-4's.

No token crosses a piece, so these rules decide what can become a token at all: whether a space belongs to the
word behind it, and how many digits one token can hold.
"""

from dataclasses import dataclass

import regex

from groundup.errors import UserError, did_you_mean

# Contractions; letters, digits or other signs with the space before them; the white space that is left over.
GPT2_PATTERN = r"'(?:[sdmt]|ll|ve|re)| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"

# Contractions in capitals too; a word takes any one sign before it; digits stand alone, three at most; other
# signs take the line ends behind them; then white space: all of it where the text ends, else up to its last
# line end. `(?![\s\S])` is the end of the text in every library; `$` means something else in each.
GPT4_PATTERN = (
    r"'(?i:[sdmt]|ll|ve|re)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*"
    r"|\s+(?![\s\S])|\s*[\r\n]+|\s+(?!\S)|\s+"
)


@dataclass(frozen=True)
class SplitPattern:
    """One way to cut a text into pieces, in the forms that the libraries want.

    `piece` finds one piece after the other; `piece.pattern` is what stands in tokenizer.json. `fast` gives
    the same pieces without back-tracking, in half the time, and is only read by tiktoken. `safe_cut` finds
    places that no piece crosses and none looks over: cut there, a text has exactly the pieces of its parts.
    """

    name: str
    piece: regex.Pattern[str]
    fast: str
    safe_cut: regex.Pattern[str]


GPT2 = SplitPattern(
    name="gpt2",
    piece=regex.compile(GPT2_PATTERN),
    fast=r"'(?:[sdmt]|ll|ve|re)| ?\p{L}++| ?\p{N}++| ?[^\s\p{L}\p{N}]++|\s++$|\s+(?!\S)|\s",
    # Between what is no space and a space.
    safe_cut=regex.compile(r"(?<=\S)(?=\s)"),
)
GPT4 = SplitPattern(
    name="gpt4",
    piece=regex.compile(GPT4_PATTERN),
    fast=r"'(?i:[sdmt]|ll|ve|re)|[^\r\n\p{L}\p{N}]?+\p{L}++|\p{N}{1,3}+| ?[^\s\p{L}\p{N}]++[\r\n]*+"
    r"|\s++$|\s*[\r\n]|\s+(?!\S)|\s",
    # The same, but not before a line end, which can belong to the sign before it: there the cut is behind it.
    safe_cut=regex.compile(r"(?<=\S)(?=[^\S\r\n])|(?<=[\r\n])(?=\S)"),
)
PATTERNS = {pattern.name: pattern for pattern in (GPT2, GPT4)}


def split_pattern(name: str) -> SplitPattern:
    """The pattern of this name: "gpt2" or "gpt4". UserError for any other."""
    if name not in PATTERNS:
        known = ", ".join(PATTERNS)
        raise UserError(f"There is no split pattern {name!r}.{did_you_mean(name, PATTERNS)} Known: {known}.")
    return PATTERNS[name]
