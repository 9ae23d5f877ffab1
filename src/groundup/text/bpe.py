"""Byte-pair encoding that can be read: learn merges from a text, encode with them, decode again.

Sennrich et al. 2016 (https://arxiv.org/abs/1508.07909), on bytes as in GPT-2. Three ideas carry the file:

1. A text is first cut into pieces (about words), and no token crosses a piece. So it is enough to know each
   distinct piece once, and how often it occurs.
2. Training joins the most frequent pair of neighbouring tokens into a new token, again and again. Only the
   pieces that contain the joined pair change, so the pair counts are corrected there and never counted anew.
3. While training, a token is ONE character: a byte is its printable character, each merge takes the next free
   code point. A piece is then a string, a pair is a string of two characters, and joining is `str.replace`.
"""

import heapq
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import lru_cache

from groundup.errors import UserError
from groundup.text.alphabet import ALPHABET, from_alphabet, to_alphabet
from groundup.text.patterns import GPT2, split_pattern
from groundup.text.patterns import GPT2_PATTERN as GPT2_PATTERN  # for the lessons, which ask for it here
from groundup.text.tokenizer import SPECIAL_TOKENS, Tokenizer

PIECE = GPT2.piece  # finds one piece of a text after the other
BLOCK = 1_000_000  # characters that are cut into pieces at once, so that a long text needs little memory

LONGEST_PIECE = 100
"""Characters; longer pieces are no words but data (a picture as letters, a rule of dashes). They are learned
from in parts: whole, each merge would walk through all of them again."""

Merge = tuple[str, str]  # two tokens, written in the printable alphabet
Progress = Callable[[int, int], None]  # (merges done, merges wanted)


def count_pieces(texts: Iterable[str], *, pattern: str = "gpt2") -> Counter[str]:
    """How often each distinct piece occurs in the texts. pattern: "gpt2" or "gpt4"."""
    piece = split_pattern(pattern).piece
    counts: Counter[str] = Counter()
    for text in texts:
        for block in blocks(text, pattern=pattern):
            counts.update(piece.findall(block))
    for long in [piece for piece in counts if len(piece) > LONGEST_PIECE]:
        often = counts.pop(long)
        for start in range(0, len(long), LONGEST_PIECE):
            counts[long[start : start + LONGEST_PIECE]] += often
    return counts


def blocks(text: str, size: int = BLOCK, *, pattern: str = "gpt2") -> Iterator[str]:
    """Cut a text into parts of about `size` characters whose pieces are exactly those of the whole text."""
    safe_cut = split_pattern(pattern).safe_cut
    start = 0
    while start < len(text):
        cut = safe_cut.search(text, start + size)
        end = cut.start() if cut else len(text)
        yield text[start:end]
        start = end


def learn_merges(
    pieces: Mapping[str, int], n_merges: int, *, ties: str = "smaller_ids", progress: Progress | None = None
) -> list[Merge]:
    """Join the most frequent pair of neighbours `n_merges` times, or until no pair is left.

    `pieces` says how often each piece occurs. Of equally frequent pairs the one with the smaller ids is
    taken, as Hugging Face's trainer does; `ties="greater_bytes"` takes the lexicographically greater pair of
    byte strings instead, a rule that some published merge lists follow.
    """
    words = Words(pieces)
    spelling = {character: character for character in ALPHABET}  # what each one-character token stands for

    def entry(pair: str) -> tuple[int, "str | GreaterFirst", str]:
        """The most frequent pair is the smallest entry; among equals, the tie rule decides."""
        # One character is one token, in the order of the ids: comparing pairs as strings compares their ids.
        tie = pair if ties == "smaller_ids" else GreaterFirst(spelling[pair[0]], spelling[pair[1]])
        return -words.counts[pair], tie, pair

    queue = [entry(pair) for pair in words.counts]
    heapq.heapify(queue)
    merges: list[Merge] = []
    while len(merges) < n_merges and queue:
        count, _, pair = heapq.heappop(queue)
        if -count != words.counts[pair]:
            # The count has sunk since this entry was made: the pair goes back to where it belongs now.
            if words.counts[pair] > 0:
                heapq.heappush(queue, entry(pair))
            continue
        token = chr(ord(ALPHABET[-1]) + 1 + len(merges))
        left, right = spelling[pair[0]], spelling[pair[1]]
        merges.append((left, right))
        spelling[token] = left + right
        for new_pair in words.join(pair, token):
            if words.counts[new_pair] > 0:
                heapq.heappush(queue, entry(new_pair))
        if progress:
            progress(len(merges), n_merges)
    return merges


class Words:
    """The distinct pieces as strings of one-character tokens, and how often each pair of them occurs."""

    def __init__(self, pieces: Mapping[str, int]):
        self.words = [to_alphabet(piece) for piece in pieces]
        self.frequencies = list(pieces.values())
        self.counts: defaultdict[str, int] = defaultdict(int)
        self.places: defaultdict[str, list[int]] = defaultdict(list)  # where a pair stands, or once stood
        for index, (word, frequency) in enumerate(zip(self.words, self.frequencies, strict=True)):
            for left, right in zip(word, word[1:], strict=False):
                self.counts[left + right] += frequency
                self._note(left + right, index)

    def join(self, pair: str, token: str) -> set[str]:
        """Write `token` for `pair` in every word, from left to right; returns the pairs that are new."""
        counts, new_pairs = self.counts, set()
        for index in self.places.pop(pair):
            word = self.words[index]
            if pair not in word:
                continue  # an earlier merge has taken one of the two already
            joined = self.words[index] = word.replace(pair, token)
            frequency = self.frequencies[index]
            for left, right in zip(word, word[1:], strict=False):
                counts[left + right] -= frequency
            for left, right in zip(joined, joined[1:], strict=False):
                counts[left + right] += frequency
                if left == token or right == token:
                    new_pairs.add(left + right)
                    self._note(left + right, index)
        del counts[pair]
        return new_pairs

    def _note(self, pair: str, index: int) -> None:
        """Remember that a word has this pair; once, even if it has it several times."""
        known = self.places[pair]
        if not known or known[-1] != index:
            known.append(index)


class GreaterFirst:
    """Two tokens that sort before those whose byte strings are lexicographically smaller."""

    def __init__(self, left: str, right: str):
        self.spelling = from_alphabet(left), from_alphabet(right)

    def __lt__(self, other: "GreaterFirst") -> bool:
        return self.spelling > other.spelling


class ReadableBPE:
    """Encode and decode with learned merges, in plain Python: what the fast libraries do, to read.

    Ids: from `first_id` on the 256 bytes in the order of the printable alphabet, then one for each merge.
    """

    def __init__(
        self, merges: Iterable[Merge], *, first_id: int = len(SPECIAL_TOKENS), pattern: str = "gpt2"
    ):
        self.piece = split_pattern(pattern).piece
        self.merges = list(merges)
        self.rank = {merge: rank for rank, merge in enumerate(self.merges)}
        tokens = [*ALPHABET, *(left + right for left, right in self.merges)]
        self.id_of = {token: first_id + index for index, token in enumerate(tokens)}
        self.token_of = {id: token for token, id in self.id_of.items()}
        self._encode_piece = lru_cache(maxsize=100_000)(self.encode_piece)

    def encode(self, text: str) -> list[int]:
        """The ids of a text; text that looks like a special token is ordinary text."""
        return [id for piece in self.piece.findall(text) for id in self._encode_piece(piece)]

    def encode_piece(self, piece: str) -> tuple[int, ...]:
        """Start with bytes; join the pair that was learned first, wherever it stands, until none is known."""
        tokens = list(to_alphabet(piece))
        while len(tokens) > 1:
            pairs = zip(tokens, tokens[1:], strict=False)
            best = min(pairs, key=lambda pair: self.rank.get(pair, len(self.rank)))
            if best not in self.rank:
                break
            tokens = join_everywhere(tokens, best)
        return tuple(self.id_of[token] for token in tokens)

    def decode(self, ids: Iterable[int]) -> str:
        """The text of the ids. Half a character shows as "�"; ids without a token are skipped."""
        tokens = (self.token_of.get(id, "") for id in ids)
        return b"".join(from_alphabet(token) for token in tokens).decode("utf-8", errors="replace")


def join_everywhere(tokens: list[str], pair: Merge) -> list[str]:
    """Join each occurrence of the pair, from left to right: a a a with (a, a) gives aa a."""
    joined: list[str] = []
    index = 0
    while index < len(tokens):
        if tuple(tokens[index : index + 2]) == pair:
            joined.append(pair[0] + pair[1])
            index += 2
        else:
            joined.append(tokens[index])
            index += 1
    return joined


def train_bpe(
    texts: Iterable[str], vocab_size: int, *, pattern: str = "gpt2", progress: Progress | None = None
) -> Tokenizer:
    """Learn a tokenizer from texts: the special tokens, then the 256 bytes, then merges, `vocab_size` in all.

    pattern: how a text is cut into pieces first, "gpt2" or "gpt4". Training ends early, without an error,
    when every piece has become one token. Gives the same merges as Hugging Face's BpeTrainer. UserError for
    an unknown pattern, and if the vocabulary cannot even hold the bytes.
    """
    alphabet_size = len(SPECIAL_TOKENS) + len(ALPHABET)
    if vocab_size < alphabet_size:
        raise UserError(
            f"A vocabulary of {vocab_size} is too small: the {len(ALPHABET)} bytes and {len(SPECIAL_TOKENS)} "
            f"special tokens alone are {alphabet_size}. Choose {alphabet_size} or more, as 4096."
        )
    merges = learn_merges(count_pieces(texts, pattern=pattern), vocab_size - alphabet_size, progress=progress)
    return Tokenizer.from_merges(merges, pattern=pattern)
