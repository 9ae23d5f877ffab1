"""Texts whose special tokens are given as such, so that nothing else in them can spell one."""

import re
from bisect import bisect_left, bisect_right
from collections.abc import Sequence

from tokenizers import AddedToken, Tokenizer

from groundup.text.alphabet import without_surrogates
from groundup.text.library import encoding_errors

MARK = "\ue000"  # a character that Unicode leaves to private use


class PartEncoder:
    """Encodes a text in parts, some of them special tokens.

    The library must see the whole text at once: whether a word gets a space before it, and what merges with
    what, depends on its neighbours. So a special token is spelled with a mark before its name, of more
    private characters than stand together anywhere in the text, and only with its mark is it found.
    """

    def __init__(self, library: Tokenizer, reader: Tokenizer):
        self.library = library
        self.reader = reader  # in which no text can spell a special token
        self._marked: dict[str, tuple[Tokenizer, dict[int, int]]] = {}

    def encode(self, parts: Sequence[tuple[str, bool]]) -> tuple[list[int], list[tuple[int, int]]]:
        """The ids of the joined parts, where True says that a part is a special token by its name.

        Beside them, for each id the first and the last part that it stands in.
        """
        clean = [without_surrogates(words) for words, _ in parts]
        runs = re.findall(f"{MARK}+", "".join(clean))
        mark = MARK * (1 + max(map(len, runs), default=0))
        spelled = [mark * special + words for words, (_, special) in zip(clean, parts, strict=True)]
        starts = [0]
        for words in spelled:
            starts.append(starts[-1] + len(words))
        library, id_of = self._with_mark(mark)
        with encoding_errors():
            found = library.encode("".join(spelled), add_special_tokens=False)
        stands_in = []
        for id, (start, end) in zip(found.ids, found.offsets, strict=True):
            # Behind an empty part the next one starts at the same place: the last that starts there has text.
            first = bisect_right(starts, start, hi=len(parts)) - 1
            last = max(first, bisect_left(starts, end, hi=len(parts)) - 1)
            if id in id_of:  # some special tokens swallow the blanks around them, and stand in their own part
                first = last = next(part for part in range(first, last + 1) if parts[part][1])
            stands_in.append((first, last))
        return [id_of.get(id, id) for id in found.ids], stands_in

    def _with_mark(self, mark: str) -> tuple[Tokenizer, dict[int, int]]:
        """A copy of the library that finds special tokens by mark and name, and {its id: the real one}."""
        if mark not in self._marked:
            copy = Tokenizer.from_str(self.reader.to_str())
            copy.post_processor = None  # some would cut blanks off the places of the tokens
            copy.encode_special_tokens = True
            added = self.library.get_added_tokens_decoder().items()
            special = {mark + token.content: (id, token) for id, token in added if token.special}
            # Not special, or the line above would hide these as well.
            copy.add_tokens([_renamed(token, name) for name, (_, token) in special.items()])
            vocabulary: dict[str, int] = copy.get_vocab(with_added_tokens=True)
            self._marked[mark] = copy, {vocabulary[name]: id for name, (id, _) in special.items()}
        return self._marked[mark]


def split_at_names(text: str, names: Sequence[str]) -> list[tuple[str, bool]]:
    """A text in parts, plain, name, plain, name, ..., plain: True says that a part is one of the names."""
    # The longest name first, so that one name that begins another does not hide it.
    pattern = "|".join(re.escape(name) for name in sorted(names, key=len, reverse=True)) or "(?!)"
    return [(words, place % 2 == 1) for place, words in enumerate(re.split(f"({pattern})", text))]


def _renamed(token: AddedToken, name: str) -> AddedToken:
    return AddedToken(
        name,
        lstrip=token.lstrip,
        rstrip=token.rstrip,
        single_word=token.single_word,
        normalized=False,
        special=False,
    )
