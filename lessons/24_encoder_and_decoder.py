# %% [markdown]
# # 24. Encoder and decoder
#
# All models of these lessons read from left to right. But when you fill a gap in a sentence, you look at
# both sides of it. **Who may see whom, and what can a model do because of it?**
#
# There are three answers, and each has a famous model:
#
# - **both**: the *transformer* of 2017 (Vaswani et al.) translates. Its *encoder* reads the whole German
#   sentence, and its *decoder* writes the English one, word by word, and looks across at the German one;
# - **encoder only**: *BERT* of 2018 (Devlin et al.) reads a text in both directions, and writes nothing;
# - **decoder only**: *GPT* (Radford et al. 2018) sees only what came before, and goes on from there.
#
# We build the first two from one block of 20 lines (lesson 12 built the third), prove that they equal
# PyTorch's and groundup's, and then let an encoder and a decoder fill gaps in the village.

# %%
import math
import os
import re

import matplotlib.pyplot as plt
import torch
import torch.nn.functional as F
from torch import Tensor, nn

import groundup
from groundup import village

SHORT = os.environ.get("GROUNDUP_LESSON") == "short"  # groundup's tests run the lesson in a few seconds

# %% [markdown]
# ## Three masks
#
# A row is a word that looks, a column is a word that is seen. Shapes in the comments: B texts, T places that
# look, S places that are seen, D numbers at each place, V words in the vocabulary.

# %%
back, german, english = torch.ones(6, 6).tril(), ["die", "Katze", "schläft"], ["the", "cat", "sleeps"]
both = back.clone()
both[:3, :3] = 1  # the German words all see each other
pictures = {
    "2017: encoder and decoder": (both, german + english),
    "BERT: encoder only": (torch.ones(6, 6), [*english, "on", "the", "chair"]),
    "GPT: decoder only": (back, [*english, "on", "the", "chair"]),
}
figure, panels = plt.subplots(1, 3, figsize=(10, 3.7), layout="constrained")
for axes, (title, (mask, words)) in zip(panels, pictures.items(), strict=True):
    axes.imshow(mask.numpy(), cmap="BuGn", vmin=0, vmax=1.5)
    axes.set_xticks(range(6), words, rotation=60)
    axes.set_yticks(range(6), words)
    axes.set_xlabel("is seen")
    axes.set_title(title, loc="left", fontsize=10)
panels[0].set_ylabel("looks")
panels[0].axhline(2.5, color="#b04a12")
panels[0].axvline(2.5, color="#b04a12")
plt.show()

# %% [markdown]
# In the left picture each quarter is an attention of its own. Top left: German looks at German, everybody at
# everybody. Bottom right: English looks at English, only back, since the rest is not written yet. Bottom
# left: English looks at German, as far as it likes. This is **cross-attention**: the queries come from one
# text, keys and values from the other. That is all that is new in it.
#
# ## Positions without learning, by hand
#
# In 2017 places were neither learned nor turned (lesson 10): a fixed row of sines and cosines was added to
# the embedding. Number pairs tick at different speeds, like the hands of a clock: with D = 4 the first hand
# turns by 1 at each place and the second by 0.01. So place 0 is `sin 0, cos 0, sin 0, cos 0` = `0 1 0 1`, and
# place 1 is `sin 1, cos 1, sin 0.01, cos 0.01` = `0.841 0.540 0.010 1.000`.
#
# Why so? Multiply two rows and add up: sin a sin b + cos a cos b = cos(a − b). The product depends on the
# **distance** only. This is the thought from which rotary positions came later.


# %%
def sinusoids(time: int, width: int) -> Tensor:
    """(T, D) one row for each place."""
    speeds = 10_000 ** (-torch.arange(0, width, 2) / width)  # (D/2,)
    angles = torch.arange(time)[:, None] * speeds  # (T, D/2)
    return torch.stack([angles.sin(), angles.cos()], -1).flatten(1)


assert torch.allclose(sinusoids(2, 4)[1], torch.tensor([0.841, 0.540, 0.010, 1.000]), atol=5e-4)
products = sinusoids(50, 32) @ sinusoids(50, 32).T  # (T, T)
assert torch.allclose(products[0, 7], products[40, 47], atol=1e-3)  # seven apart, here and there

# %% [markdown]
# ## One block for all
#
# Two things differ from lesson 12. `Attention` has two inputs: who looks, and who is seen. And the norm comes
# **after** each sum, on the stream itself (*post-norm*). GPT-2 put it before each part and left the stream
# alone (lesson 11), because tall stacks then learn more easily.


# %%
class Attention(nn.Module):
    """The places of x gather from the places of `seen`."""

    def __init__(self, width: int, n_heads: int):
        super().__init__()
        self.query, self.key = nn.Linear(width, width), nn.Linear(width, width)
        self.value, self.output = nn.Linear(width, width), nn.Linear(width, width)
        self.n_heads = n_heads

    def forward(self, x: Tensor, seen: Tensor, mask: Tensor | None = None) -> Tensor:
        """(B, T, D) look at (B, S, D) -> (B, T, D). mask: True where one may look, (T, S) or (B, 1, 1, S)."""
        parts = self.query(x), self.key(seen), self.value(seen)
        query, key, value = (part.unflatten(2, (self.n_heads, -1)).transpose(1, 2) for part in parts)
        scores = query @ key.mT / math.sqrt(query.shape[-1])  # (B, H, T, S)
        if mask is not None:
            scores = scores.masked_fill(~mask, -math.inf)
        return self.output((scores.softmax(-1) @ value).transpose(1, 2).flatten(2))


class Block(nn.Module):
    """Look at your own text, then (in a decoder of 2017) at another one, then think."""

    def __init__(self, width: int, n_heads: int, hidden: int, bend, crosses: bool = False):
        super().__init__()
        self.attention_norm, self.attention = nn.LayerNorm(width), Attention(width, n_heads)
        if crosses:
            self.cross_norm, self.cross = nn.LayerNorm(width), Attention(width, n_heads)
        self.mlp_norm, self.bend = nn.LayerNorm(width), bend
        self.mlp = nn.ModuleDict({"up": nn.Linear(width, hidden), "down": nn.Linear(hidden, width)})

    def forward(self, x: Tensor, mask=None, other: Tensor | None = None, mask_across=None) -> Tensor:
        """(B, T, D), the other text (B, S, D) -> (B, T, D)."""
        x = self.attention_norm(x + self.attention(x, x, mask))
        if other is not None:
            x = self.cross_norm(x + self.cross(x, other, mask_across))
        return self.mlp_norm(x + self.mlp["down"](self.bend(self.mlp["up"](x))))


class Transformer2017(nn.Module):
    """Reads a source text whole, and says at each place of the target text which token comes next."""

    def __init__(self, vocab_size: int, width: int, n_heads: int, hidden: int, n_layers: int):
        super().__init__()
        self.tokens, sizes = nn.Embedding(vocab_size, width), (width, n_heads, hidden, F.relu)
        self.encoder = nn.ModuleList(Block(*sizes) for _ in range(n_layers))
        self.decoder = nn.ModuleList(Block(*sizes, crosses=True) for _ in range(n_layers))

    def embed(self, ids: Tensor) -> Tensor:
        """(B, T) ids -> (B, T, D)."""
        width = self.tokens.embedding_dim
        return self.tokens(ids) * math.sqrt(width) + sinusoids(ids.shape[1], width)

    def forward(self, source: Tensor, target: Tensor, real: Tensor) -> Tensor:
        """(B, S) ids, (B, T) ids, (B, S) False where the source is padding -> (B, T, V) logits."""
        read, x = self.embed(source), self.embed(target)
        real = real[:, None, None]  # (B, 1, 1, S) nobody looks at padding
        back = torch.ones(x.shape[1], x.shape[1]).tril().bool()  # (T, T)
        for block in self.encoder:
            read = block(read, real)
        for block in self.decoder:
            x = block(x, back, read, real)
        return x @ self.tokens.weight.T


# %% [markdown]
# PyTorch has this transformer as `nn.Transformer`, between the embeddings and the logits. It keeps queries,
# keys and values in one matrix, has other names, says True in a mask where we say False, and adds a norm at
# the end of each stack, which the paper does not have: we take it out. The proof, with padding:

# %%
NAMES = {".layers": "", "self_attn": "attention", "multihead_attn": "cross", "out_proj": "output"}
NAMES |= {"linear1": "mlp.up", "linear2": "mlp.down", "norm1": "attention_norm", "norm3": "mlp_norm"}


def in_our_names(theirs: dict[str, Tensor]) -> dict[str, Tensor]:
    """The weights of nn.Transformer, or their gradients."""
    found = {}
    for name, tensor in theirs.items():
        for old, new in {**NAMES, "norm2": "mlp_norm" if "encoder" in name else "cross_norm"}.items():
            name = name.replace(old, new)
        if "in_proj_" in name:
            for part, third in zip(("query", "key", "value"), tensor.chunk(3), strict=True):
                found[name.replace("in_proj_", f"{part}.")] = third
        else:
            found[name] = tensor
    return found


def shaken(model: nn.Module) -> nn.Module:
    """With random norms and biases, since weights of 1 and biases of 0 hide mistakes."""
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(torch.randn_like(parameter) / 10)
    return model


torch.manual_seed(1)
theirs = nn.Transformer(32, 4, 2, 2, 64, dropout=0.0, activation="relu", batch_first=True)
theirs.encoder.norm = theirs.decoder.norm = None
ours, table = Transformer2017(40, 32, n_heads=4, hidden=64, n_layers=2), torch.randn(40, 32)
ours.load_state_dict({"tokens.weight": table, **in_our_names(shaken(theirs).state_dict())})

source, target, real_tokens = torch.randint(40, (3, 9)), torch.randint(40, (3, 6)), torch.tensor([9, 5, 7])
real = torch.arange(9) < real_tokens[:, None]  # (B, S)
masks = {"tgt_mask": ~torch.ones(6, 6).tril().bool(), "src_key_padding_mask": ~real}
embedded = ours.embed(source), ours.embed(target)
logits = [ours(source, target, real)]
logits += [theirs(*embedded, **masks, memory_key_padding_mask=~real) @ ours.tokens.weight.T]
assert torch.allclose(*logits, atol=1e-4)
gradients = []
for said, model in zip(logits, (ours, theirs), strict=True):
    loss = F.cross_entropy(said[:, :-1].flatten(0, 1), target[:, 1:].flatten())
    wanted = dict(model.named_parameters()) | {"tokens.weight": ours.tokens.weight}
    gradients.append(dict(zip(wanted, torch.autograd.grad(loss, list(wanted.values())), strict=True)))
own, other = gradients[0], in_our_names(gradients[1])
assert own.keys() == other.keys()
assert all(torch.allclose(own[name], other[name], atol=1e-5) for name in own)
print(f"The transformer of 2017 is PyTorch's: the same logits, and {len(own)} equal gradients.")

# %% [markdown]
# ## BERT
#
# The same block without the cross, and with GELU. Three tables are added up at the start: which token, at
# which place, and in which **segment**: BERT reads two sentences at once, number 0 and number 1, to say
# whether the second follows from the first. The first token is always `[CLS]`, which stands for the whole
# text: its numbers go through a last matrix and a tanh, the *pooler*, and from there one may ask whether a
# review is friendly.


# %%
class Bert(nn.Module):
    """Reads a whole text in both directions."""

    def __init__(self, vocab_size: int, length: int, width: int, n_heads: int, n_layers: int):
        super().__init__()
        self.tokens, self.positions = nn.Embedding(vocab_size, width), nn.Embedding(length, width)
        self.segments, self.embedding_norm = nn.Embedding(2, width), nn.LayerNorm(width)
        self.blocks = nn.ModuleList(Block(width, n_heads, 4 * width, F.gelu) for _ in range(n_layers))
        self.pooler = nn.Linear(width, width)

    def forward(self, ids: Tensor, segments: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        """(B, T), (B, T) 0 or 1, (B,) without padding -> (B, T, D) each place, (B, D) the whole text."""
        at = torch.arange(ids.shape[1])  # (T,)
        x = self.embedding_norm(self.tokens(ids) + self.positions(at) + self.segments(segments))
        for block in self.blocks:
            x = block(x, (at < lengths[:, None])[:, None, None])
        return x, torch.tanh(self.pooler(x[:, 0]))


# %%
from groundup.zoo.bert import FAMILY

sizes = {"vocab_size": 40, "context_length": 12, "d_model": 32, "n_layers": 2, "n_heads": 4}
theirs = groundup.Encoder(groundup.ModelConfig(**{**sizes, **FAMILY.defaults, "norm_eps": 1e-5}))
ours = Bert(40, 12, 32, n_heads=4, n_layers=2)
ours.load_state_dict(shaken(theirs).state_dict())
assert list(ours.state_dict()) == list(theirs.state_dict())  # even the names are the same
given = source, (torch.arange(9) >= 4).long().expand(3, 9), real_tokens
results = []
for model in (ours, theirs):
    places, whole = model(*given)
    loss = (places * torch.linspace(-1, 1, places.numel()).view_as(places)).sum() + whole[:, 0].sum()
    results.append([places, whole, *torch.autograd.grad(loss, list(model.parameters()))])
assert all(torch.allclose(a, b, atol=1e-4) for a, b in zip(*results, strict=True))
print("BERT: the same numbers as groundup's encoder, and the same gradients.")

# %% [markdown]
# ## What does an encoder learn from?
#
# A decoder learns from the next word. An encoder cannot: the next word lies open before it. So one **hides**
# some words behind a mark and asks for these: `Tom gave [?] the jug`. BERT hides 15 of 100. Hide more, and
# too little is left to understand the sentence; hide fewer, and there is little to learn in each step. A
# decoder has no such trouble: it learns from *every* word.
#
# ## The experiment: a gap
#
# First sentences of the village; a token is a word or a sign. Two models with the same sizes read the same
# sentences in the same order. Then in new sentences one word is missing, and each says which. The decoder can
# be asked in two ways:
#
# - **from the left**: which word comes after the words before the gap?
# - **by trying**: put each of its 30 likeliest words into the gap, and take the one that makes the *whole*
#   sentence most probable. It sees both sides after all, but has to read the sentence 30 times.
#
# And the village knows how probable each sentence is (lesson 6). So we can also ask how often the **best
# possible** reader would be right, one who sees the left side, and one who sees both.

# %%
LENGTH, MARK, GAPS, SEEDS = 26, 1, 20 if SHORT else 500, 1 if SHORT else 3
STEPS = 10 if SHORT else 450


def cut(text: str) -> list[str]:
    """The first sentence in words and signs. Joined, they are the sentence again."""
    sentence = re.split(r"(?<=[.!?])\s", text, maxsplit=1)[0]
    return re.findall(r" ?\w+| ?[^\w\s]|\s", sentence)


cuts = [cut(text) for text in village.documents(seed=1, start=0, count=300 if SHORT else 4600)]
cuts = [each for each in cuts if len(each) <= LENGTH - 2]
pieces = ["", "", *sorted({piece for each in cuts for piece in each})]  # 0 is the border, 1 the mark [?]
number = {piece: id for id, piece in enumerate(pieces)}
is_word = torch.tensor([piece.strip().isalpha() for piece in pieces])  # (V,)
ids, lengths = torch.zeros(len(cuts), LENGTH, dtype=torch.long), torch.tensor([len(c) + 2 for c in cuts])
for row, each in zip(ids, cuts, strict=True):
    row[1 : len(each) + 1] = torch.tensor([number[piece] for piece in each])
new, new_lengths = ids[-GAPS:], lengths[-GAPS:]  # to examine on
print(f"{len(cuts) - GAPS} sentences to learn from, {len(pieces)} words and signs. One is {cuts[1][:9]} ...")


def logits_of(model: nn.Module, ids: Tensor, lengths: Tensor | None = None) -> Tensor:
    """(B, T) -> (B, T, V): the last numbers are compared with the embedding of each piece."""
    is_encoder = isinstance(model, groundup.Encoder)
    last = model(ids, lengths=lengths)[0] if is_encoder else model.hidden(ids)  # (B, T, D)
    return last @ model.tokens.weight.T


def learn(hides: bool, seed: int) -> nn.Module:
    """A trained encoder, which guesses hidden words, or decoder, which guesses the next ones."""
    torch.manual_seed(seed)
    sizes = {"vocab_size": len(pieces), "context_length": LENGTH, "d_model": 64, "n_layers": 2, "n_heads": 4}
    kind, more = groundup.Decoder, {}
    if hides:
        kind, more = groundup.Encoder, {"causal": False, "norm_position": "post"}
    model, order = kind(groundup.ModelConfig(**sizes, **more)), torch.Generator().manual_seed(seed)
    optimizer = torch.optim.AdamW(model.parameters(), betas=(0.9, 0.95))
    for step in range(STEPS):
        chosen = torch.randint(len(ids) - GAPS, (32,), generator=order)
        rows, ends = ids[chosen], lengths[chosen]
        if hides:
            hide = (rows > MARK) & (torch.rand(rows.shape) < 0.3)
            logits = logits_of(model, rows.masked_fill(hide, MARK), ends)
            targets = rows.masked_fill(~hide, -100)
        else:
            padding = torch.arange(1, LENGTH) >= ends[:, None]
            logits, targets = logits_of(model, rows[:, :-1]), rows[:, 1:].masked_fill(padding, -100)
        optimizer.zero_grad()
        F.cross_entropy(logits.transpose(1, 2), targets).backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.param_groups[0]["lr"] = 1e-2 * min(10 * (step + 1) / STEPS, 1 - step / STEPS)
        optimizer.step()
    return model.eval().requires_grad_(False)


encoders, decoders = ([learn(hides, seed) for seed in range(SEEDS)] for hides in (True, False))

# %% [markdown]
# Now the exam. `chance` asks the village how probable it is that a document begins with a text.

# %%
rows = torch.arange(GAPS)
gaps = torch.multinomial(is_word[new].float(), 1, generator=torch.Generator().manual_seed(1))[:, 0]  # (B,)
words = [piece for piece, known in zip(pieces, is_word.tolist(), strict=True) if known]
after = {piece[0] for piece in pieces[2:] if piece not in words} | {" "}  # what may follow a word


def chance(text: str) -> float:
    """The probability that a document of the village begins so."""
    return 2 ** -village.bits(text, complete=False)


def best_possible(row: list[str], gap: int) -> tuple[float, float]:
    """How often the best reader is right who sees the left side only; who sees both."""
    left, right = "".join(row[:gap]), "".join(row[gap + 1 :])
    starts = {start for start in {word[:2] for word in words} if chance(left + start)}
    fits = [word for word in words if word[:2] in starts and chance(left + word)]
    alone = [sum(chance(left + word + sign) for sign in after) for word in fits]
    both = [chance(left + word + right) for word in fits]
    return max(alone) / sum(alone), max(both) / sum(both)


def likeliest(logits: Tensor, count: int) -> Tensor:
    """(B, V) -> (B, count) the likeliest words."""
    return logits.masked_fill(~is_word, -math.inf).topk(count).indices


def by_trying(model: nn.Module) -> Tensor:
    """(B,) the word that makes the whole sentence most probable for the decoder."""
    candidates = likeliest(logits_of(model, new)[rows, gaps - 1], 30)  # (B, 30)
    tried = new[:, None].repeat(1, 30, 1)  # (B, 30, T)
    tried[rows, :, gaps] = candidates
    padding = (torch.arange(1, LENGTH) >= new_lengths[:, None]).repeat_interleave(30, 0)
    inputs, targets = tried.flatten(0, 1)[:, :-1], tried.flatten(0, 1)[:, 1:].masked_fill(padding, -100)
    nats = F.cross_entropy(logits_of(model, inputs).transpose(1, 2), targets, reduction="none").sum(1)
    return candidates[rows, nats.view(GAPS, 30).argmin(1)]


hidden = new.clone()
hidden[rows, gaps] = MARK
answers = {
    "decoder, from the left": [likeliest(logits_of(m, new)[rows, gaps - 1], 1)[:, 0] for m in decoders],
    "encoder": [likeliest(logits_of(m, hidden, new_lengths)[rows, gaps], 1)[:, 0] for m in encoders],
    "decoder, by trying": [by_trying(model) for model in decoders],
}
truth = new[rows, gaps]  # (B,)
right = {name: (torch.stack(given) == truth).float() for name, given in answers.items()}  # (seeds, B)
best = [best_possible(each, gap - 1) for each, gap in zip(cuts[-GAPS:], gaps.tolist(), strict=True)]
limits = torch.tensor(best).mean(0).tolist()


def with_interval(values: Tensor) -> tuple[float, float]:
    """The mean over the sentences, and half of its 95 % interval."""
    return values.mean().item(), 1.96 * values.std().item() / math.sqrt(len(values))


for name, found in right.items():
    print("{:23} {:.1%} right (± {:.1%})".format(name, *with_interval(found.mean(0))))
print("{:23} {:.1%} from the left, {:.1%} from both sides".format("best possible reader", *limits))
more, half = with_interval((right["encoder"] - right["decoder, from the left"]).mean(0))  # the same gaps
print(f"The encoder is right at {more:.1%} (± {half:.1%}) more of the gaps than the decoder from the left.")
assert SHORT or more > half

# %% [markdown]
# And the other way round: both get the first three words and signs of a sentence and shall go on, with the
# likeliest at each place. The encoder gets a mark behind them, the only question that it knows. After each
# word the village says whether any of its documents can begin so.

# %%
WORDS = 10


def still_possible(model: nn.Module) -> list[float]:
    """The share of texts that are possible after each new word."""
    rows, shares, encodes = new[:100, :4], [], model in encoders
    for _ in range(WORDS):
        asked = F.pad(F.pad(rows, (0, 1), value=MARK), (0, 1)) if encodes else rows  # a mark, the border
        logits = logits_of(model, asked)[:, -2 if encodes else -1, 2:]
        rows = torch.cat([rows, 2 + logits.argmax(-1, keepdim=True)], 1)
        texts = ["".join(cut("".join(pieces[id] for id in row))) for row in rows.tolist()]
        shares.append(sum(chance(text) > 0 for text in texts) / len(texts))
    print(f"{type(model).__name__}: {texts[0]!r}")
    return shares


figure, (left, right_axes) = plt.subplots(1, 2, figsize=(10, 3.4), layout="constrained")
for place, (name, found) in enumerate(right.items()):
    mean, half = with_interval(found.mean(0))
    colour = "#e0a070" if name == "encoder" else "#0b6a72"
    left.errorbar(mean, place, xerr=half, fmt="o", capsize=4, color=colour)
for limit, name, side in zip(limits, ("the left", "both sides"), ("right", "left"), strict=True):
    left.axvline(limit, color="#b04a12", linestyle=":")
    left.text(limit, -0.6, f" best possible \n from {name} ", color="#b04a12", ha=side, fontsize=8)
left.set_yticks(range(3), list(right))
left.set_ylim(2.5, -1.1)
left.set_xlim(min(limits) - 0.27, max(limits) + 0.27)
left.set_xlabel("share of gaps with the right word, 95 % interval")
left.set_title("filling a gap", loc="left", fontsize=10)
for models, name, colour in ((decoders, "decoder", "#0b6a72"), (encoders, "encoder", "#e0a070")):
    shares = torch.tensor([still_possible(model) for model in models])  # (seeds, words)
    right_axes.plot(range(1, WORDS + 1), shares.T, color=colour, linewidth=1, alpha=0.5)
    right_axes.plot(range(1, WORDS + 1), shares.mean(0), "o-", color=colour, markersize=3, label=name)
right_axes.set_ylim(0, 1.05)
right_axes.set_xlabel("words and signs written")
right_axes.set_title("going on: share of texts that are still possible", loc="left", fontsize=10)
right_axes.legend(frameon=False)
for axes in (left, right_axes):
    axes.spines[["top", "right"]].set_visible(False)
plt.show()

# %% [markdown]
# (Thin lines: single seeds.) **The encoder** uses the right side: it does better than the decoder from the
# left, about as well as *anybody* could from there. But it is far from the best. It learned from the hidden
# words only, 30 of 100 here, and the decoder from each word. So **the decoder by trying** beats it clearly,
# and comes close to the best possible: who knows how probable whole sentences are can fill gaps, too. It has
# to read each sentence 30 times for it. An encoder reads once, and that is why search engines and classifiers
# still use encoders: their question has no next word.
#
# And it **cannot write**. What stood behind a mark was always a sentence's rest, and behind the last mark its
# end. So the encoder ends the sentence at once, or repeats itself. Writing needs a model that has learned at
# every place not to know what comes.
#
# Why are the large models of today decoders? One training serves for all: a task is a text to go on with,
# translation as well (`German: ... English:`). Each word teaches. And what was read can be kept (lesson 9):
# no later word changes how an earlier one was understood. With an encoder each new word changes everything.
#
# ## Exercises
#
# Replace `...` and run the cell again. The first: **the fourth picture.** A *prefix model* is a decoder whose
# first few tokens, a question say, all see each other, and the rest looks back (Raffel et al. 2019 compare it
# with the three). Your mask is put into a real GPT with one layer; then each token is changed in turn, and
# whoever saw it must notice.


# %%
def prefix_mask(time: int, prefix: int) -> Tensor:
    """(T, T) bool, True where one may look; the first `prefix` tokens see each other."""
    ...


# %%
from groundup.model.visible import Sight


def check_prefix_mask(yours) -> str:
    torch.manual_seed(2)
    sizes = {"vocab_size": 50, "context_length": 8, "d_model": 16, "n_layers": 1, "n_heads": 2}
    model = shaken(groundup.Decoder(groundup.ModelConfig(**sizes))).requires_grad_(False)

    def hidden(ids: Tensor, mask: Tensor) -> Tensor:
        x = model.tokens(ids) + model.positions(torch.arange(8))
        return model.blocks[0](x, None, Sight(mask, is_causal=False))  # (B, T, D)

    ids = torch.randint(0, 49, (1, 8))
    for prefix in (1, 3, 8):
        mask = yours(8, prefix)
        if not isinstance(mask, Tensor) or mask.shape != (8, 8) or mask.dtype != torch.bool:
            return "prefix_mask: not yet. It should be a square table of True and False."
        changed = ids.repeat(8, 1) + torch.eye(8, dtype=torch.long)  # row s: token s is another one
        noticed = (hidden(changed, mask) - hidden(ids, mask)).abs().amax(-1) > 1e-6  # (S, T)
        for t, s in torch.cartesian_prod(torch.arange(8), torch.arange(8)).tolist():
            if noticed[s, t] != (s <= t or max(s, t) < prefix):
                sees = "sees" if noticed[s, t] else "does not see"
                return f"prefix_mask: not yet. With a prefix of {prefix}, token {t} {sees} token {s}."
    return "prefix_mask: right! With 1 it is a GPT, with all tokens a BERT, and between them both."


print(check_prefix_mask(prefix_mask))

# %% [markdown]
# The second: **look across**, with one head. It takes the place of the cross-attention in a transformer of
# 2017. Each of the four is a function, such as a `nn.Linear`; the root of lesson 7 belongs to it.


# %%
def across(x: Tensor, other: Tensor, query, key, value, output) -> Tensor:
    """(B, T, D) look at (B, S, D) -> (B, T, D) what they found there."""
    ...


# %%
def check_across(yours) -> str:
    torch.manual_seed(3)
    model = shaken(Transformer2017(40, 32, n_heads=1, hidden=64, n_layers=2))
    everything, logits = torch.ones(3, 9).bool(), []
    for replaced in (False, True):
        for block in model.decoder if replaced else ():
            part = block.cross
            four = part.query, part.key, part.value, part.output
            part.forward = lambda x, other, mask, four=four: yours(x, other, *four)
        try:
            logits.append(model(source, target, everything))
        except (TypeError, RuntimeError) as error:
            return f"across: not yet. With it the transformer fails: {error}"
    off = (logits[0] - logits[1]).abs().max().item()
    if off > 1e-4:
        return f"across: not yet. The logits of a transformer of 2017 differ by {off:.2g}."
    return "across: right! The transformer of 2017 says the same with it."


print(check_across(across))
