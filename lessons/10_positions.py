# %% [markdown]
# # 10. Positions
#
# *The dog bites the man* and *the man bites the dog* are the same words. Attention compares words with
# words and adds up what it finds, and a sum does not care about the order. **How does a model know who
# stood where?**
#
# There are two ways that everybody uses. GPT-2 has a learned row of numbers for each place, and adds it to
# the word. Llama and most models of today *turn* queries and keys, place by place, like the hands of a clock.
# We build both, prove them, and then look at what models have learned with them, and with none.

# %%
import math
import os

import matplotlib.pyplot as plt
import torch
import torch.nn.functional as F
from torch import Tensor, nn

import groundup
from groundup import village

SHORT = os.environ.get("GROUNDUP_LESSON") == "short"  # groundup's tests run the lesson in a few seconds

# %% [markdown]
# ## What is missing
#
# A GPT of one layer, whose positions we set to zero, reads two sentences: `dog bites man` and `man bites
# dog`, then a full stop. Shapes in the comments: B texts, T places, D numbers for each word, H heads, K
# numbers in each head.

# %%


def tiny_config(**changes) -> groundup.ModelConfig:
    """A small GPT."""
    sizes = {"vocab_size": 50, "context_length": 24, "d_model": 32, "n_layers": 1, "n_heads": 2}
    return groundup.ModelConfig(**{**sizes, **changes})


DOG, BITES, MAN, STOP = 0, 1, 2, 3
sentences = torch.tensor([[DOG, BITES, MAN, STOP], [MAN, BITES, DOG, STOP]])  # (B, T)
torch.manual_seed(1)
model = groundup.Decoder(tiny_config())
table = model.positions.weight.detach().clone()  # (places, D)
with torch.no_grad():
    first, second = model(sentences)[:, -1]
    assert not torch.allclose(first, second, atol=1e-4)
    model.positions.weight.zero_()
    first, second = model(sentences)[:, -1]  # (V,) what may follow the full stop
    assert torch.allclose(first, second, atol=1e-6)
    model.positions.weight.copy_(table)
print("Without positions it cannot say who was bitten.")

# %% [markdown]
# (With more layers the causal mask tells a little: the second word has seen two words, the first only one. So
# such a model learns something about the order, by a long detour. We shall see how much.)
#
# ## First way: a learned row for each place
#
# As simple as it can be: a second table of embeddings, looked up by the *number of the place* in place of
# the id, and added. By hand: `dog` is `1 0`, place 0 is `0.1 0.2`, place 2 is `0.3 −0.1`. Then a dog at
# place 0 is `1.1 0.2`, and a dog at place 2 is `1.3 −0.1`.


# %%
class LearnedPositions(nn.Module):
    """A learned row of numbers for each place."""

    def __init__(self, places: int, width: int):
        super().__init__()
        self.weight = nn.Parameter(torch.randn(places, width))

    def forward(self, at: Tensor) -> Tensor:
        """(T,) numbers of the places -> (T, D), to be added to the words."""
        return F.one_hot(at, len(self.weight)).to(self.weight.dtype) @ self.weight


by_hand = LearnedPositions(3, 2)
with torch.no_grad():
    by_hand.weight.copy_(torch.tensor([[0.1, 0.2], [0.0, 0.0], [0.3, -0.1]]))
at_both = torch.tensor([1.0, 0.0]) + by_hand(torch.tensor([0, 2]))
assert torch.allclose(at_both, torch.tensor([[1.1, 0.2], [1.3, -0.1]]))

ours = groundup.Decoder(model.config)
ours.positions = LearnedPositions(24, 32)
ours.load_state_dict(model.state_dict())
batch = torch.randint(0, 50, (4, 17), generator=torch.Generator().manual_seed(2))
for one in (model, ours):
    F.cross_entropy(one(batch[:, :-1]).flatten(0, 1), batch[:, 1:].flatten()).backward()
assert torch.allclose(ours(batch), model(batch), atol=1e-6)
assert torch.allclose(ours.positions.weight.grad, model.positions.weight.grad, atol=1e-7)
assert (ours.positions.weight.grad[16:] == 0).all()  # no text was so long: these places learned nothing
print("groundup's learned positions: the same, and places that never occur learn nothing.")

# %% [markdown]
# This is also its weakness. A place that never occurred in training has numbers made by chance. And that a
# word stands *two places before* another must be learned for each pair of places anew.
#
# ## Second way: turning
#
# What matters is mostly the distance. Is there a way to change queries and keys, each by its own place
# only, so that their product depends on the *distance*?
#
# Take two numbers as a point in the plane, and **turn** it about the origin. Let the angle be 90° for each
# place. The point `1 0`, turned by 90°, is `0 1`; by 180° `−1 0`; by 270° `0 −1`.
#
# - A query `1 0` at place 5 (450°, that is 90°) becomes `0 1`. A key `1 0` at place 3 (270°) becomes `0
#   −1`. Their product is −1.
# - The same query at place 2 becomes `−1 0`, and the key at place 0 stays `1 0`. The product is −1, again.
#
# Both times the distance is 2. The product of two points depends only on their lengths and on the angle
# *between* them, and if both turn on together, this does not change. This is **RoPE**, rotary position
# embedding (Su et al. 2021).
#
# With a single angle, distances 0 and 4 would look alike. So a head with K numbers has K/2 such points,
# each with its own speed, like second hand, minute hand and hour hand. Pair j turns by the angle $\theta_j
# = 10000^{-2j/K}$ for each place, from 1 (57°) down to nearly 0. Who knows all hands, knows the time.
#
# In the plane one can calculate with *complex* numbers, and there to turn by the angle φ is to multiply by
# $e^{i\varphi}$. So it is four lines. Which two numbers make a pair is a convention; here, as in Llama,
# number j and number j + K/2.


# %%
def rope(x: Tensor, at: Tensor, base: float = 10_000.0) -> Tensor:
    """Turn each pair of x (..., T, K) by the angle of its place; at: (T,) the places."""
    half = x.shape[-1] // 2
    speeds = base ** (-torch.arange(half) / half)  # (K/2,) angle for each place
    angles = at[:, None] * speeds  # (T, K/2)
    points = torch.complex(x[..., :half], x[..., half:])
    turned = points * torch.polar(torch.ones_like(angles), angles)
    return torch.cat([turned.real, turned.imag], -1)


quarter = math.pi / 2  # 90°: as the only pair has the speed 1, we call the places 0, 90°, 180°, ...
point = torch.tensor([[1.0, 0.0]])
q5, k3, q2, k0 = (rope(point, torch.tensor([place * quarter])) for place in (5, 3, 2, 0))
assert torch.allclose(q5, torch.tensor([[0.0, 1.0]]), atol=1e-5)
assert torch.allclose(k3, torch.tensor([[0.0, -1.0]]), atol=1e-5)
assert math.isclose((q5 * k3).sum(), -1, abs_tol=1e-5)
assert math.isclose((q2 * k0).sum(), -1, abs_tol=1e-5)

# %% [markdown]
# groundup's `rotate` does the same without complex numbers, from a table of cosines and sines. Value and
# gradient must agree. And for wide queries and keys, too, only the distance counts: with the same query and
# the same key at all places, the table of scores has the same number along each diagonal.

# %%
from groundup.model.layers import rope_table, rotate

torch.manual_seed(1)
x = torch.randn(2, 3, 40, 16, requires_grad=True)  # (B, H, T, K)
at, direction = torch.arange(40), torch.randn(2, 3, 40, 16)
theirs = rotate(x, *rope_table(at, head_width=16, base=10_000.0))
assert torch.allclose(rope(x, at), theirs, atol=1e-5)
own_gradient, gradient = (torch.autograd.grad(out, x, direction)[0] for out in (rope(x, at), theirs))
assert torch.allclose(own_gradient, gradient, atol=1e-5)

query, key = torch.randn(1, 16).expand(40, -1), torch.randn(1, 16).expand(40, -1)
scores = rope(query, at) @ rope(key, at).T  # (T, T)
for distance in range(-39, 40):
    diagonal = scores.diagonal(distance)
    assert torch.allclose(diagonal, diagonal[:1], atol=1e-4)
shifted = rope(query, at + 1000) @ rope(key, at + 1000).T  # a thousand places later
assert torch.allclose(shifted, scores, atol=1e-2)
print("RoPE: the same as groundup's, and a score depends on the distance alone.")

# %%
cosines, _ = rope_table(torch.arange(64), head_width=32, base=10_000.0)  # (T, K)
figure, (left, right) = plt.subplots(1, 2, figsize=(9.5, 3.2), layout="constrained")
left.imshow(cosines[:, :16].T.numpy(), cmap="BrBG", aspect="auto", vmin=-1, vmax=1)
left.set_xlabel("place")
left.set_ylabel("pair")
left.set_title("cosine of the angle of 16 pairs", loc="left", fontsize=10)
right.imshow(scores.numpy(), cmap="BrBG")
right.set_xlabel("place of the key")
right.set_ylabel("place of the query")
right.set_title("scores of one query and one key", loc="left", fontsize=10)
plt.show()

# %% [markdown]
# On the left, the fast hands are above, the slow ones below. On the right are the diagonals. The lengths of
# queries and keys do not change, so that nothing is lost or blown up, and nothing is learned: it is a fixed
# rule.
#
# ## The experiment: three models
#
# Three small GPTs learn the village letter by letter, with learned positions, with RoPE, and with none. They
# read windows of 32 letters. Then each is given texts of 64: places 32 to 63 are new to all.

# %%
from groundup.data.writing import encode
from groundup.methods.next_token import NextToken
from groundup.training.settings import TrainSettings

LENGTH = 32
texts = list(village.documents(seed=1, start=0, count=100 if SHORT else 1500))
unseen = list(village.documents(seed=1, start=10**6, count=50 if SHORT else 300))
tokenizer = groundup.Tokenizer.from_bytes()
windows = groundup.TokenWindows(encode(texts, tokenizer).tokens, LENGTH)
settings = TrainSettings(
    steps=15 if SHORT else 350,
    tokens_per_step=32 * LENGTH,
    sequence_length=LENGTH,
    micro_batch=32,
    learning_rate=1e-2,
    warmup_steps=10,
    schedule="linear",
    precision="float32",
)


def learn(position: str) -> groundup.Decoder:
    """Train a GPT with these positions; "none" is a learned table of zeros that may not learn."""
    torch.manual_seed(1)
    sizes = {"vocab_size": tokenizer.vocab_size, "context_length": 2 * LENGTH, "d_model": 64}
    config = tiny_config(**sizes, n_layers=2, n_heads=4, position="rope" if position == "rope" else "learned")
    model = groundup.Decoder(config)
    if position == "none":
        model.positions.weight.requires_grad_(False).zero_()
    order = groundup.Order(len(windows), seed=1)
    batches = groundup.Batches(windows, order, samples_per_step=32, micro_batch=32)
    groundup.train(NextToken(model), batches, settings)
    return model.eval()


models = {position: learn(position) for position in ("none", "learned", "rope")}

# %%
exam = groundup.TokenWindows(encode(unseen, tokenizer).tokens, 2 * LENGTH)
inputs, targets = (torch.stack(part) for part in zip(*(exam[i] for i in range(len(exam))), strict=True))
by_place = {}
with torch.no_grad():
    for position, model in models.items():
        losses = F.cross_entropy(model(inputs).transpose(1, 2), targets, reduction="none")  # (B, T)
        by_place[position] = losses.mean(0) / math.log(2)

figure, axes = plt.subplots(figsize=(8, 3.4), layout="constrained")
colours = {"none": "#999999", "learned": "#e0a070", "rope": "#0b6a72"}
for position, bits in by_place.items():
    axes.plot(bits, color=colours[position], label={"rope": "RoPE"}.get(position, position))
    known, new = bits[8:LENGTH].mean(), bits[LENGTH:].mean()
    print(f"{position:8} {known:.2f} bits per letter at places 8 to 31, {new:.2f} at the new places")
axes.axvline(LENGTH - 0.5, color="#b04a12", linestyle=":", label="trained up to here")
axes.set_xlabel("place")
axes.set_title("bits per letter, by place", loc="left", fontsize=10)
axes.spines[["top", "right"]].set_visible(False)
axes.legend(frameon=False)
plt.show()

# %% [markdown]
# Without positions a model learns, but slowly: it hardly knows in which order the last letters stood. With
# a learned table it does better, but in this short time it must first find out what each place means. RoPE,
# which knows about distances from the start, is far ahead.
#
# And where the new places begin, they part. The learned table has rows there that never learned anything,
# and the model is at once worse than one that knows no places. RoPE goes on, because the short distances
# are the same at any place. But further on it fails as well: it meets *distances* that it has never seen,
# and its heads look where they should not. A model must learn at the length at which it is to be used.
#
# What did they learn? On the left, the learned rows of all places, compared by their angle: 1 is the same
# direction. On the right, how much the heads of the RoPE model look at each distance (on unseen texts).

# %%
from groundup.model.layers import Attention


def weights_by_distance(model: groundup.Decoder, ids: Tensor) -> Tensor:
    """(B, T) ids -> (layers, H, T) the mean weight that the last token gives to each distance."""
    found = []

    def note(module: Attention, given: tuple, output: Tensor) -> None:
        x, time = given[0], given[0].shape[1]
        query, key = (
            part(x).view(len(x), time, 4, -1).transpose(1, 2) for part in (module.query, module.key)
        )
        at = torch.arange(time)
        weights = (rope(query[:, :, -1:], at[-1:]) @ rope(key, at).mT / math.sqrt(query.shape[-1])).softmax(
            -1
        )
        found.append(weights[:, :, 0].mean(0).flip(-1))  # (H, T) distance 0 first

    handles = [block.attention.register_forward_hook(note) for block in model.blocks]
    with torch.no_grad():
        model(ids)
    for handle in handles:
        handle.remove()
    return torch.stack(found)


distances = weights_by_distance(models["rope"], inputs[:, :LENGTH])
rows = F.normalize(models["learned"].positions.weight.detach(), dim=1)
figure, (left, right) = plt.subplots(1, 2, figsize=(10, 3.8), layout="constrained")
picture = left.imshow((rows @ rows.T).numpy(), cmap="BrBG", vmin=-1, vmax=1)
figure.colorbar(picture, ax=left)
left.axvline(LENGTH - 0.5, color="#b04a12", linestyle=":")
left.axhline(LENGTH - 0.5, color="#b04a12", linestyle=":")
left.set_title("learned: which places are alike", loc="left", fontsize=10)
left.set_xlabel("place")
for layer, style in enumerate(("-", "--")):
    for head, colour in enumerate(("#0b6a72", "#6f5aa8", "#b04a12", "#c58b00")):
        name = f"layer {layer + 1}, head {head + 1}"
        right.plot(distances[layer, head, :16], style, color=colour, label=name, linewidth=1.2)
right.set_title("RoPE: how much is looked at each distance", loc="left", fontsize=10)
right.set_xlabel("letters back (0: itself)")
right.spines[["top", "right"]].set_visible(False)
right.legend(frameon=False, fontsize=8)
plt.show()

# %% [markdown]
# In the table of learned positions, neighbours became alike, although nobody told it which places are
# neighbours, and beyond the dotted lines there is only noise. With RoPE the heads chose distances: one
# looks at the letter before, another further back.
#
# ## Exercises
#
# Replace `...` and run the cell again. The first: **turn without complex numbers.** The point (a, b), turned
# by the angle φ, is (a cos φ − b sin φ, a sin φ + b cos φ). Number j of x and number j + K/2 are a pair, and
# turn by angle j. Your function is put into groundup's attention in a whole GPT.


# %%
def turn(x: Tensor, angles: Tensor) -> Tensor:
    """(..., T, K) queries or keys, (T, K/2) angles -> x with its pairs turned."""
    ...


# %%
def check_turn(yours) -> str:
    got = yours(torch.tensor([[1.0, 2, 3, 4]]), torch.tensor([[math.pi / 2, 0]]))
    if not isinstance(got, Tensor) or got.shape != (1, 4):
        return "turn: not yet. It should give back numbers of the same shape."
    if not torch.allclose(got, torch.tensor([[-3.0, 2, 1, 4]]), atol=1e-5):
        return f"turn: not yet. 1 2 3 4, its first pair turned by 90°, is -3 2 1 4, yours {got[0].tolist()}."
    from groundup.model import layers

    torch.manual_seed(2)
    model = groundup.Decoder(tiny_config(n_layers=2, position="rope")).eval()
    ids = torch.randint(0, 50, (3, 20))
    with torch.no_grad():
        own = model(ids)
        try:
            layers.rotate = lambda x, cos, sin: yours(x, torch.atan2(sin, cos)[:, : x.shape[-1] // 2])
            off = (model(ids) - own).abs().max().item()
        finally:
            layers.rotate = rotate
    if off > 1e-4:
        return f"turn: not yet. In a GPT the logits differ by {off:.2g}."
    return "turn: right! A GPT says the same with it."


print(check_turn(turn))

# %% [markdown]
# The second: **how long does a hand take for a full turn?** Pair j of a head with K numbers turns by
# $\text{base}^{-2j/K}$ for each place, and a full turn is 2π. Your answer is asked from groundup's table:
# after so many places the hand must be where it was, and after half of them on the other side.


# %%
def places_for_a_turn(pair: int, head_width: int, base: float) -> float:
    """How many places it takes until this pair points in the same direction again."""
    ...


# %%
def check_places_for_a_turn(yours) -> str:
    for pair, head_width, base in ((0, 16, 10_000.0), (3, 16, 10_000.0), (5, 12, 100.0), (31, 64, 500_000.0)):
        places = yours(pair, head_width, base)
        if not isinstance(places, int | float) or not places > 0:
            return "places_for_a_turn: not yet. It should be a number above 0."
        at = torch.tensor([places / 4, places / 2, places])
        cos, sin = (part[:, pair] for part in rope_table(at, head_width, base))
        if not torch.allclose(cos, torch.tensor([0.0, -1.0, 1.0]), atol=1e-3) or sin[0] < 0.99:
            return f"places_for_a_turn: not yet. Pair {pair} of {head_width} is elsewhere after {places:.4g}."
    slowest = [yours(63, 128, base) for base in (10_000.0, 1_000_000.0)]
    return (
        f"places_for_a_turn: right! With K = 128 the slowest hand takes {slowest[0]:,.0f} places; models for "
        f"long texts take a base of 1,000,000, and {slowest[1]:,.0f} places."
    )


print(check_places_for_a_turn(places_for_a_turn))

# %% [markdown]
# The third is from real life. The paper pairs **neighbours**: numbers 0 and 1, 2 and 3, and so on. Llama,
# in the form in which most people use it, pairs **halves**: j and j + K/2. Whoever loads weights of the one
# kind into a model of the other gets nonsense, and no error. The remedy: put the *rows* of the query and
# key matrices in another order, head by head. Which row of a head's matrix, made for neighbours, must stand
# at each place, so that it is right for halves? (For K = 4: pairs 0-1 and 2-3 must come to the places 0-2
# and 1-3.)


# %%
def rows_for_halves(head_width: int) -> list[int]:
    """For each place, the number of the row that comes there."""
    ...


# %%
def check_rows_for_halves(yours) -> str:
    rows = yours(4)
    if rows is None or sorted(rows) != [0, 1, 2, 3]:
        return f"rows_for_halves: not yet. Each of the rows 0 to 3 must occur once, yours are {rows}."

    def neighbours(x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
        half = x.shape[-1] // 2
        points = torch.view_as_complex(x.unflatten(-1, (half, 2)).contiguous())
        return torch.view_as_real(points * torch.complex(cos[:, :half], sin[:, :half])).flatten(-2)

    from groundup.model import layers

    torch.manual_seed(3)
    model = groundup.Decoder(tiny_config(n_layers=2, position="rope")).eval()
    for block in model.blocks:
        nn.init.normal_(block.attention.query.weight, std=0.3)
        nn.init.normal_(block.attention.key.weight, std=0.3)
    ids = torch.randint(0, 50, (3, 20))
    with torch.no_grad():
        try:
            layers.rotate = neighbours
            wanted = model(ids)
        finally:
            layers.rotate = rotate
        before = (model(ids) - wanted).abs().max().item()
        for block in model.blocks:
            for part in (block.attention.query, block.attention.key):
                by_head = part.weight.view(2, 16, 32)[:, yours(16)]  # (H, K, D)
                part.weight.copy_(by_head.flatten(0, 1))
        off = (model(ids) - wanted).abs().max().item()
    if off > 1e-4:
        return (
            f"rows_for_halves: not yet. The logits of a GPT differ by {off:.2g} (unchanged by {before:.2g})."
        )
    return (
        f"rows_for_halves: right! The GPT says what it should; without your order it is off by {before:.2g}."
    )


print(check_rows_for_halves(rows_for_halves))
