# %% [markdown]
# # 3. Byte-pair encoding
#
# A model reads ids: one number for each piece of the text. **Into which pieces should a text be cut?** As
# bytes, any text can be written with 256 ids, but the rows become long. As words, the rows are short, but
# the list of words never ends, and a word that is not on it cannot be read. So it was in lesson 2.
#
# Between the two lies *byte-pair encoding*, BPE: start with the bytes, and let the texts themselves say
# which of them belong together. GPT-2 reads like this, and so do most large models since. In this lesson you
# write it whole: how the pieces are learned, how a text is cut into them, and how it comes back.

# %%
import json
import math
import os
from collections import Counter

import matplotlib.pyplot as plt
import torch

import groundup
from groundup import village

SHORT = os.environ.get("GROUNDUP_LESSON") == "short"  # groundup's tests run the lesson in a few seconds
documents = list(village.documents(seed=1, start=0, count=200 if SHORT else 4000))
unseen = list(village.documents(seed=1, start=10**6, count=20 if SHORT else 200))

# %% [markdown]
# ## The smallest example, by hand
#
# Take two words, `banana` and `bandana`, cut into letters:
#
# |  | `banana` | `bandana` | frequent neighbours |
# |---|---|---|---|
# | at first | `b a n a n a` | `b a n d a n a` | **`a n` 4**, `n a` 3, `b a` 2, … |
# | after merge 1 | `b an an a` | `b an d an a` | **`b an` 2**, `an a` 2, … |
# | after merge 2 | `ban an a` | `ban d an a` | **`an a` 2**, … |
# | after merge 3 | `ban ana` | `ban d ana` | each pair only once |
#
# In each line the most frequent pair of neighbours is **joined**, wherever it stands, into one new token.
# This is called a *merge*. In the second line two pairs are equally frequent, and a rule must decide: the
# pair with the smaller ids wins. Letters have their ids in the order of the alphabet, and new tokens follow.
# So `b an` comes before `an a`: `b` has a smaller id than `an`.
#
# Nobody told the computer about syllables, and yet it found `ban` and `ana`.
#
# ## Learning the merges
#
# Now the same as a program. Two steps go before. **First**, a text is cut into *pieces*, which are about
# words (as in lesson 2), and no token ever crosses the border of a piece. So it is enough to know each
# different piece once, and how often it occurs. A space belongs to the word after it.

# %%
from groundup.text.bpe import PIECE, ReadableBPE, count_pieces, learn_merges

print(PIECE.findall("Ana ate 12 cakes, and it's good!"))
pieces = count_pieces(documents)
print(f"{sum(pieces.values()):,} pieces, {len(pieces):,} of them different: {pieces.most_common(5)}")

# %% [markdown]
# **Second**, the letters are in truth *bytes*, so that every text of the world can be written. A byte that
# does not print is shown as a character that does, by a table from GPT-2: the space is `Ġ`. You will see
# this sign in the token lists of many models.

# %%
from groundup.text.alphabet import ALPHABET, from_alphabet, to_alphabet

for text in (" cakes", "é", "🐑", "\n"):
    print(f"{text!r:10} has the bytes {list(text.encode())}, written as {to_alphabet(text)!r}")

# %% [markdown]
# And here is all of the learning: count the pairs, take the best, join it, again.


# %%
def join(tokens: tuple[str, ...], pair: tuple[str, str]) -> tuple[str, ...]:
    """Make one token of each such pair, from left to right: a a a with (a, a) gives aa a."""
    joined, place = [], 0
    while place < len(tokens):
        found = tokens[place : place + 2] == pair
        joined.append("".join(pair) if found else tokens[place])
        place += 2 if found else 1
    return tuple(joined)


def learn(pieces: dict[str, int], n_merges: int) -> list[tuple[str, str]]:
    """The merges in their order. pieces: how often each piece occurs."""
    words = {tuple(to_alphabet(piece)): count for piece, count in pieces.items()}
    ids = {character: id for id, character in enumerate(ALPHABET)}
    merges: list[tuple[str, str]] = []
    while len(merges) < n_merges:
        pairs = Counter()
        for word, count in words.items():
            for pair in zip(word, word[1:], strict=False):
                pairs[pair] += count
        if not pairs:
            break  # each piece has become one token
        best = min(pairs, key=lambda pair: (-pairs[pair], ids[pair[0]], ids[pair[1]]))
        words = {join(word, best): count for word, count in words.items()}
        ids["".join(best)] = len(ids)
        merges.append(best)
    return merges


by_hand = [("a", "n"), ("b", "an"), ("an", "a")]
assert learn({"banana": 1, "bandana": 1}, 3) == by_hand
assert join(("a", "a", "a"), ("a", "a")) == ("aa", "a")

# %% [markdown]
# Does groundup learn the same? And the library `tokenizers`, with which the tokenizers of many models are
# made? Three programs, one list.

# %%
from tokenizers import Tokenizer, models, pre_tokenizers, trainers

from groundup.text.tokenizer import SPECIAL_TOKENS

n_merges = 100 if SHORT else 600
vocab_size = len(SPECIAL_TOKENS) + len(ALPHABET) + n_merges
merges = learn(pieces, n_merges)
assert merges == learn_merges(pieces, n_merges)

library = Tokenizer(models.BPE())
library.encode_special_tokens = True  # text is always text, even where it looks like a special token
library.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
trainer = trainers.BpeTrainer(
    vocab_size=vocab_size,
    special_tokens=list(SPECIAL_TOKENS),
    initial_alphabet=list(ALPHABET),
    show_progress=False,
)
library.train_from_iterator(documents, trainer)
assert merges == [tuple(merge) for merge in json.loads(library.to_str())["model"]["merges"]]

for rank in (0, 1, 2, 3, 4, 10, 20, 50, n_merges - 1):
    left, right = merges[rank]
    print(f"merge {rank + 1:3}: {left!r:8} + {right!r:8} -> {left + right!r}")

# %% [markdown]
# First the most frequent pairs of letters, then syllables, then whole words with their space.
#
# (Ours counts everything anew after each merge. groundup's corrects the counts only where something changed,
# so it can learn from far longer texts. `groundup/text/bpe.py` is written to be read.)
#
# ## Encoding: the same steps again
#
# A new text is cut by doing to it what was done to the old ones: **join in the order in which the merges
# were learned.** Of all pairs that stand in the piece, the one with the lowest *rank* in the list is next,
# until no pair is on the list. This is not the same as looking for the longest known token, as you will see
# in the exercises.
#
# Decoding is easier. Each id stands for some bytes; write them one after the other, and read *the whole* as
# text. The ids: five special tokens, then the 256 bytes, then one for each merge.


# %%
class BPE:
    """Text to ids and back, with learned merges."""

    def __init__(self, merges: list[tuple[str, str]]):
        self.rank = {pair: rank for rank, pair in enumerate(merges)}
        self.tokens = [*SPECIAL_TOKENS, *ALPHABET, *(left + right for left, right in merges)]
        self.id_of = {token: id for id, token in enumerate(self.tokens)}

    def cut(self, piece: str) -> tuple[str, ...]:
        """The tokens of one piece."""
        tokens = tuple(to_alphabet(piece))
        while known := [pair for pair in zip(tokens, tokens[1:], strict=False) if pair in self.rank]:
            tokens = join(tokens, min(known, key=self.rank.__getitem__))
        return tokens

    def encode(self, text: str) -> list[int]:
        return [self.id_of[token] for piece in PIECE.findall(text) for token in self.cut(piece)]

    def decode(self, ids: list[int]) -> str:
        return b"".join(from_alphabet(self.tokens[id]) for id in ids).decode("utf-8", errors="replace")


bpe = BPE(merges)
tokenizer = groundup.train_bpe(documents, vocab_size)
readable = ReadableBPE(merges)
strange = ["", "  two  spaces ", "naïve café", "η γάτα", "🐑🐑", "it's 12:30!\n\n\tDone", "<|endoftext|>"]
for text in [*unseen[:20], *strange]:
    ids = bpe.encode(text)
    assert ids == tokenizer.encode(text) == readable.encode(text) == library.encode(text).ids
    assert bpe.decode(ids) == tokenizer.decode(ids) == readable.decode(ids) == text
print(" | ".join(tokenizer.pieces(bpe.encode(unseen[0])[:40])).replace("\n", "⏎"))

# %% [markdown]
# ## What was it learned from?
#
# A tokenizer is good at what it has read. How many **bytes does one token hold**, on average? We learn one
# long list of merges from the village and cut it off at different places: the first merges of a long list
# are the short list. Then each tokenizer reads four texts that it has never seen: new ones from the village,
# everyday English, a program, and Greek.

# %%
english = """A tokenizer is like a set of stamps. Someone who prints wedding invitations all year has stamps
for whole phrases, and needs three or four to set a line. Give the same person a weather report, and most of
it must be put together letter by letter. It can be done, for no letter is missing, but it takes longer, and
the line gets long. Whoever wants to print everything needs stamps made from a little of everything."""
program = """def largest(rows, limit=100):
    best = None
    for index, row in enumerate(rows):
        if row["size"] < limit and (best is None or row["size"] > rows[best]["size"]):
            best = index
    return best
"""
greek = """Η γάτα κοιμάται δίπλα στο παράθυρο και έξω βρέχει όλη μέρα. Το βράδυ ανάβουμε τη λάμπα, φτιάχνουμε
τσάι και διαβάζουμε ο ένας στον άλλον από ένα παλιό βιβλίο."""
texts = {"village, unseen": unseen, "English": [english], "a program": [program], "Greek": [greek]}

longest_list = learn_merges(pieces, 10**6)
print(f"After {len(longest_list)} merges every piece that was read is one token: nothing is left to join.")
sizes = [0, 200, 1000] if SHORT else [0, 10, 30, 100, *range(200, len(longest_list), 200), len(longest_list)]
tokenizers = {n: groundup.Tokenizer.from_merges(longest_list[:n]) for n in sizes}


def mean_bytes(tokenizer: groundup.Tokenizer, texts: list[str]) -> float:
    """Bytes per token."""
    return len("".join(texts).encode()) / sum(map(len, tokenizer.encode_batch(texts)))


colours = ["#0b6a72", "#b04a12", "#6f5aa8", "#8a9a5b"]
figure, axes = plt.subplots(figsize=(8, 3.8), layout="constrained")
for (name, some), colour in zip(texts.items(), colours, strict=True):
    held = [mean_bytes(tokenizers[n], some) for n in sizes]
    axes.plot([tokenizers[n].vocab_size for n in sizes], held, ".-", color=colour)
    axes.annotate(
        f" {name} {held[-1]:.1f}", (tokenizers[sizes[-1]].vocab_size, held[-1]), color=colour, va="center"
    )
axes.margins(x=0.02)
axes.set_xlim(right=tokenizers[sizes[-1]].vocab_size * 1.22)
axes.set_ylim(bottom=0)
axes.spines[["top", "right"]].set_visible(False)
axes.set_xlabel("size of the vocabulary, learned from the village")
axes.set_title("Bytes per token", loc="left")
plt.show()

# %% [markdown]
# The village has about a thousand different pieces. At the end nearly every one of them is one token, so its
# curve becomes flat. English gains from the short words and endings that it has in common with the village,
# a program less. Greek gains nothing at all: a Greek letter has two bytes, and stays two tokens. It can be
# read, but for a model with room for a thousand tokens a Greek text is *long*. That is why the tokenizer of
# a large model is learned from a mixture of all that it will read.
#
# ## Why one must not compare losses per token
#
# Is a larger vocabulary better for a model? Take the simplest one of lesson 1, a table of pairs, and give it
# tokens instead of bytes. Its loss can be given per token or per byte. Watch what each of them says.


# %%
def pair_losses(tokenizer: groundup.Tokenizer) -> torch.Tensor:
    """Count pairs of ids in the documents; the loss of each guess in the unseen texts, in nats."""
    size = tokenizer.vocab_size
    border = tokenizer.border_id

    def in_a_row(texts: list[str]) -> torch.Tensor:
        """(T,) the ids of all texts, with a border before, between and after them."""
        return torch.tensor([border, *(id for ids in tokenizer.encode_batch(texts) for id in (*ids, border))])

    read, new = in_a_row(documents), in_a_row(unseen)
    pairs = read[:-1] * size + read[1:]  # one number for each pair
    counts = torch.bincount(pairs, minlength=size * size).view(size, size) + 0.01
    probabilities = counts / counts.sum(1, keepdim=True)  # (V, V)
    return -probabilities[new[:-1], new[1:]].log()


n_bytes = len("".join(unseen).encode())
losses = {n: pair_losses(tokenizers[n]) for n in sizes}
per_token = [losses[n].mean().item() for n in sizes]
per_byte = [losses[n].sum().item() / math.log(2) / n_bytes for n in sizes]

figure, both = plt.subplots(1, 2, figsize=(9, 3.4), layout="constrained")
for axes, values, title in zip(both, (per_token, per_byte), ("nats per token", "bits per byte"), strict=True):
    axes.plot([tokenizers[n].vocab_size for n in sizes], values, ".-", color="#0b6a72")
    axes.set_ylim(bottom=0)
    axes.spines[["top", "right"]].set_visible(False)
    axes.set_xlabel("size of the vocabulary")
    axes.set_title(title, loc="left")
floor = sum(village.bits(text) for text in unseen) / n_bytes
both[1].axhline(floor, color="#b04a12", linestyle=":")
both[1].annotate("the floor", (both[1].get_xlim()[1], floor), color="#b04a12", ha="right", va="bottom")
plt.show()

# %% [markdown]
# Per token, the model seems to become worse. Per byte, it becomes three times as good! The second is true.
# One token of a large vocabulary decides several bytes at once, so it is harder to guess, and fewer guesses
# are needed. **Losses per token can only be compared with the same tokenizer.** This is why groundup reports
# bits per byte.
#
# For the table of pairs, larger tokens are a gain because it sees only one of them: with bytes it looks back
# one letter, with words one word. A GPT sees hundreds of tokens, so its guesses gain less. What it gains is
# that the same number of tokens holds more text. And there is a price: every token of the vocabulary needs
# learned numbers of its own, and a token that occurs rarely learns them badly. The large models of today
# take between 30,000 and 260,000 tokens.
#
# ## Exercises
#
# Replace `...` and run the cell again. The first is the number of the first plot, **bytes per token**. It
# sounds simple, but there are three ways to get it wrong.


# %%
def bytes_per_token(tokenizer: groundup.Tokenizer, texts: list[str]) -> float:
    """How many bytes of UTF-8 a token of these texts holds on average."""
    ...


# %%
from groundup.evaluation.texts import Texts


def check_bytes_per_token(yours) -> str:
    some = [*unseen[:5], english, greek]
    counted = Texts.from_strings(tokenizer, some)  # as groundup counts when it evaluates a model
    n_ids = sum(len(ids) - 2 for ids in counted.ids)  # without the borders before and after each text
    got, own = yours(tokenizer, some), counted.n_bytes.sum() / n_ids
    if got is None or not math.isclose(got, own, rel_tol=1e-9):
        return f"bytes_per_token: not yet. For seven texts together yours is {got}, groundup's is {own:.4f}."
    room = 256 * yours(tokenizer, unseen)
    return f"bytes_per_token: right! A model that sees 256 tokens sees about {room:.0f} bytes of the village."


print(check_bytes_per_token(bytes_per_token))

# %% [markdown]
# The second: a chat shows the text **while it is being written**, token by token. But a token may end in the
# middle of a character! The 🐑 has four bytes, and here each of them is a token. What is not yet a whole
# character must be held back until the rest has come. Your function gets the bytes that were held back
# before and those of the new token. It returns the text to be shown now, and the bytes to be held back now.
# (`bytes.decode` raises `UnicodeDecodeError` where a character is not whole. No character has more than four
# bytes.)


# %%
def show(held: bytes, new: bytes) -> tuple[str, bytes]:
    """The text that is certain now; the bytes at the end that are no whole character yet."""
    ...


# %%
from groundup.text.tokenizer import StreamDecoder


def check_show(yours) -> str:
    ids = tokenizer.encode("Ana's café: 🐑 and 12 € a night. η γάτα! " + unseen[1])
    decoder, held, shown = StreamDecoder(tokenizer), b"", []
    for id in ids:
        new, own = tokenizer.decode_bytes([id]), decoder.push(id)
        try:
            result = yours(held, new)
            if result is None:
                return f"show: not yet. show({held}, {new}) returns nothing, groundup shows {own!r}."
            got, still_held = result
        except (TypeError, ValueError) as error:  # bytes that cannot be decoded, or not two results
            return f"show: not yet. show({held}, {new}) failed: {error}"
        if got != own:
            return f"show: not yet. show({held}, {new}) gives the text {got!r}, groundup shows {own!r}."
        held = still_held
        shown.append(got)
    return "show: right! Token by token: " + "|".join(shown[:40]).replace("\n", "⏎")


print(check_show(show))

# %% [markdown]
# The third: another way to encode is to take **the longest token** that fits the beginning of the piece,
# then the longest that fits the rest, and so on. Models of the kind of BERT read like that. It needs no list
# of merges, only the vocabulary. Your function gets a piece in the printable alphabet, such as `"Ġcakes"`,
# and the set of all tokens. Each single character is one of them.


# %%
def longest_first(piece: str, tokens: set[str]) -> list[str]:
    """Cut a piece into tokens, each as long as possible, from left to right."""
    ...


# %%
def check_longest_first(yours) -> str:
    vocabulary = {token: bpe.id_of[token] for token in bpe.tokens[len(SPECIAL_TOKENS) :]}
    wordpiece = models.WordPiece(vocabulary, unk_token="Ġ", continuing_subword_prefix="")
    new_pieces = list(count_pieces([*unseen, english, program, greek]))
    longer = {}  # where BPE's way takes another number of tokens: how many more
    n_different = 0
    for piece in new_pieces:
        word = to_alphabet(piece)
        got, own = yours(word, set(vocabulary)), [token.value for token in wordpiece.tokenize(word)]
        if got is None or list(got) != own:
            return f"longest_first: not yet. {word!r} becomes {got}; expected {own}."
        n_different += tuple(own) != bpe.cut(piece)
        longer[piece] = len(bpe.cut(piece)) - len(own)
    lines = [
        f"longest_first: right! It cuts {n_different} of {len(new_pieces)} pieces in another way than BPE:"
    ]
    for piece in (max(longer, key=longer.__getitem__), min(longer, key=longer.__getitem__)):
        own = yours(to_alphabet(piece), set(vocabulary))
        lines.append(f"{piece!r}: longest first {' '.join(own)}, BPE {' '.join(bpe.cut(piece))}")
    return "\n".join(lines)


print(check_longest_first(longest_first))
