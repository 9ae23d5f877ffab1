"""What a tokenizer puts around every text that its model reads."""

from typing import NamedTuple

from groundup.text.tokenizer import Tokenizer


class Frame(NamedTuple):
    """The ids around a text: of BERT [CLS] and [SEP], of a Llama one before it, of a GPT-2 none."""

    before: list[int]
    after: list[int]

    @classmethod
    def of(cls, tokenizer: Tokenizer) -> "Frame":
        """What the tokenizer's template says: `encode_framed` gives before, `encode`'s ids, after."""
        plain, framed = tokenizer.encode("a"), tokenizer.encode_framed("a")[0]
        starts = range(len(framed) - len(plain) + 1)
        start = next(i for i in starts if framed[i : i + len(plain)] == plain)
        return cls(framed[:start], framed[start + len(plain) :])
