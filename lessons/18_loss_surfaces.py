# %% [markdown]
# # 18. The landscape of the loss
#
# Training is often told as a walk: the weights are a place, the loss is the height there, and the walk goes
# downhill. But the place has a hundred thousand coordinates, and nobody has ever seen it. **What does the
# landscape look like in which a GPT learns?**
#
# One can walk along a line through it and note the heights, or draw a map of a plane. You will do both,
# check the slope and the curvature of your lines against the gradient, look at a valley from where training
# ended, and find a wall between two models that compute exactly the same.

# %%
import math
import os

import matplotlib.pyplot as plt
import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor
from torch.func import functional_call
from torch.nn.attention import SDPBackend, sdpa_kernel

import groundup
from groundup import village
from groundup.data.writing import encode
from groundup.methods.next_token import NextToken
from groundup.training.settings import TrainSettings

SHORT = os.environ.get("GROUNDUP_LESSON") == "short"  # groundup's tests run the lesson in a few seconds
Weights = dict[str, Tensor]  # all learned numbers of a model, by name: a place in the landscape

# %% [markdown]
# ## The smallest landscape, by hand
#
# A model with two weights: $y = w_2 \cdot w_1 \cdot x$. For $x = 1$ it should say 1. The loss is
# $(w_1 w_2 - 1)^2$. Where is it zero? Wherever $w_1 w_2 = 1$: not at a point but along two curved valleys,
# one for positive weights and one for negative ones. Already here, **many places are the same model**. And
# in the middle, at 0 0, is a place where the ground is flat but nothing is learned: a *saddle*.
#
# We stand at $w_1 = 1$, $w_2 = 0.5$. The height is $(0.5 - 1)^2 = 0.25$. We look along $w_1$: after a piece
# $t$ the height is
#
# $$(0.5 (1 + t) - 1)^2 = 0.25 - 0.5\,t + 0.25\,t^2 .$$
#
# So the **slope** is −0.5, and the **curvature** (the second derivative) is 0.5. The gradient at this place
# is $2 (w_1 w_2 - 1) w_2 = -0.5$ along $w_1$, and $2 (w_1 w_2 - 1) w_1 = -1$ along $w_2$. In *any*
# direction $d$ the slope is the gradient times $d$, number by number and added up.


# %%
def tiny(w: Tensor) -> Tensor:
    """The loss of the model with two weights."""
    return (w[0] * w[1] - 1) ** 2


here = torch.tensor([1.0, 0.5], dtype=torch.float64, requires_grad=True)
(gradient,) = torch.autograd.grad(tiny(here), here)
assert gradient.tolist() == [-0.5, -1.0]
along_first = torch.tensor([1.0, 0.0], dtype=torch.float64)
for t in (-1.0, 0.3, 2.0):
    assert math.isclose(tiny(here + t * along_first).item(), 0.25 - 0.5 * t + 0.25 * t**2)

figure, axes = plt.subplots(figsize=(4.4, 3.8), layout="constrained")
side = torch.linspace(-2, 2, 81)
first, second = torch.meshgrid(side, side, indexing="xy")
heights = tiny(torch.stack([first, second]))
axes.contourf(
    side, side, heights.clamp(max=8), levels=[0, 0.02, 0.1, 0.3, 0.7, 1, 1.5, 3, 5, 8], cmap="YlGnBu_r"
)
axes.plot(0, 0, "x", color="#ffb080")
axes.annotate("saddle", (0, 0), (8, -14), textcoords="offset points", color="#ffb080")
for walker in ((1.8, -1.0), (-0.3, -0.9), (0.1, 0.2)):
    w = torch.tensor(walker, requires_grad=True)
    path = [walker]
    for _ in range(60):
        w = (w - 0.05 * torch.autograd.grad(tiny(w), w)[0]).detach().requires_grad_()
        path.append(tuple(w.tolist()))
    axes.plot(*zip(*path, strict=True), ".-", color="white", markersize=3, linewidth=1)
axes.set_xlabel("w₁")
axes.set_ylabel("w₂")
axes.set_title("Three walks downhill", loc="left")
plt.show()

# %% [markdown]
# ## Lines through a GPT
#
# For a GPT a place is the whole collection of its weights, and a direction is a collection of the same
# shapes. To know the height at a place we need the loss as a *function of the weights*. `functional_call`
# lets a module compute with other weights than its own.

# %%
tokenizer = groundup.Tokenizer.from_bytes()
LENGTH = 32
documents = list(village.documents(seed=1, start=0, count=60 if SHORT else 400))
windows = groundup.TokenWindows(encode(documents, tokenizer).tokens, LENGTH)
batches = groundup.Batches(windows, groundup.Order(len(windows), seed=1), samples_per_step=16, micro_batch=16)
picked = [windows[i * (len(windows) // 16)] for i in range(16)]  # the same 16 windows for all maps
IDS, TARGETS = (torch.stack([sample[k] for sample in picked]) for k in (0, 1))


def new_model(seed: int) -> groundup.Decoder:
    torch.manual_seed(seed)
    sizes = {"vocab_size": tokenizer.vocab_size, "context_length": LENGTH, "d_model": 48}
    return groundup.Decoder(groundup.ModelConfig(**sizes, n_layers=2, n_heads=2, position="rope"))


def place(model: groundup.Decoder) -> Weights:
    """The weights of the model, as they are now."""
    return {name: p.detach().clone() for name, p in model.named_parameters()}


MODEL = new_model(1)  # its own weights do not matter any more: it is a shape to compute with


def height(weights: Weights) -> Tensor:
    """The mean loss at a place, in nats per byte."""
    logits = functional_call(MODEL, weights, (IDS,))  # (B, T, V)
    return F.cross_entropy(logits.flatten(0, 1), TARGETS.flatten())


def moved(start: Weights, direction: Weights, t: float) -> Weights:
    """The place t times the direction away."""
    return {name: weight + t * direction[name] for name, weight in start.items()}


def dot(one: Weights, other: Weights) -> float:
    """Times each other, number by number, and added up."""
    return sum((a * other[name]).sum().item() for name, a in one.items())


# %% [markdown]
# Is it the right landscape? The height must be the loss with which groundup trains, and its gradient the
# one that groundup makes. And the line must have the slope that the gradient says, and the curvature that
# follows from its second derivatives. (For these we use numbers of double length.)

# %%
model = new_model(2)
loss, count = NextToken(model)({"ids": IDS, "targets": TARGETS})
(loss / count).backward()
weights = {name: weight.requires_grad_() for name, weight in place(model).items()}
ours = height(weights)
gradients = dict(zip(weights, torch.autograd.grad(ours, list(weights.values())), strict=True))
assert math.isclose(ours.item(), loss.item() / count, rel_tol=1e-5)
for name, p in model.named_parameters():
    assert torch.allclose(p.grad, gradients[name], rtol=1e-3, atol=1e-6), name


def random_direction(like: Weights, seed: int) -> Weights:
    """Of random numbers."""
    generator = torch.Generator().manual_seed(seed)
    return {name: torch.randn(w.shape, generator=generator).to(w.dtype) for name, w in like.items()}


def derivatives(start: Weights, direction: Weights) -> tuple[float, float]:
    """Slope and curvature of the line at its start, by autograd."""
    t = torch.zeros((), dtype=torch.float64, requires_grad=True)
    with sdpa_kernel(SDPBackend.MATH):  # the fast kernels of attention know the first derivative only
        line = height({name: weight + t * direction[name] for name, weight in start.items()})
        (slope,) = torch.autograd.grad(line, t, create_graph=True)
        (curvature,) = torch.autograd.grad(slope, t)
    return slope.item(), curvature.item()


MODEL.double()
start = {name: weight.detach().double() for name, weight in weights.items()}
direction = random_direction(start, seed=1)
slope, curvature = derivatives(start, direction)
doubles = {name: gradient.double() for name, gradient in gradients.items()}
assert math.isclose(slope, dot(doubles, direction), rel_tol=1e-3)

little = 1e-5
above, middle, below = (height(moved(start, direction, s)).item() for s in (little, 0, -little))
assert math.isclose(slope, (above - below) / (2 * little), rel_tol=1e-2)
assert math.isclose(curvature, (above - 2 * middle + below) / little**2, rel_tol=1e-2)
print(f"slope {slope:.4f}, curvature {curvature:.2f}")
MODEL.float()

# %% [markdown]
# ## From the start to the end
#
# We train twice, from two random starts, and note where the first one came along. Then we walk in a
# straight line from its start to its end, and further: at α = 0 is the start, at 1 the end. (Goodfellow et
# al. 2015)

# %%
SETTINGS = TrainSettings(
    steps=12 if SHORT else 400,
    tokens_per_step=16 * LENGTH,
    sequence_length=LENGTH,
    micro_batch=16,
    learning_rate=6e-3,
    warmup_steps=4,
    schedule="linear",
)


def walk(seed: int) -> list[Weights]:
    """Train a model; gives the places on its way, the start first."""
    model = new_model(seed)
    path = [place(model)]
    every = SETTINGS.steps // 12

    def keep(state) -> None:
        if state.step % every == 0:
            path.append(place(model))

    groundup.train(NextToken(model), batches, SETTINGS, observers=[keep])
    return path


def between(start: Weights, end: Weights, alpha: float) -> Weights:
    """The place so far on the straight line from start to end."""
    return {name: (1 - alpha) * weight + alpha * end[name] for name, weight in start.items()}


@torch.no_grad()
def heights_between(start: Weights, end: Weights, alphas) -> list[float]:
    return [height(between(start, end, alpha)).item() for alpha in alphas]


path, other_path = walk(seed=1), walk(seed=2)
begin, end, other_end = path[0], path[-1], other_path[-1]
alphas = np.linspace(-0.3, 1.5, 10 if SHORT else 46)
along = heights_between(begin, end, alphas)
assert math.isclose(heights_between(begin, end, [0])[0], height(begin).item(), rel_tol=1e-6)
assert height(end) < height(begin)

figure, axes = plt.subplots(figsize=(7, 3.4), layout="constrained")
axes.plot(alphas, along, color="#0b6a72")
with torch.no_grad():
    for alpha, weights in ((0, begin), (1, end)):
        axes.plot(alpha, height(weights), "o", color="#b04a12")
    on_foot = [height(weights).item() for weights in path]
axes.plot(
    np.linspace(0, 1, len(path)), on_foot, ".:", color="#e0a070", label="training itself, twelve places"
)
axes.set_xlabel("α: from the start (0) to the end (1), and further")
axes.set_title("Loss along the straight line, nats per byte", loc="left")
axes.spines[["top", "right"]].set_visible(False)
axes.legend(frameon=False)
plt.show()
print(f"start {on_foot[0]:.2f}, end {on_foot[-1]:.2f}")

# %% [markdown]
# The end lies in a hollow: further on, the ground rises again. On the straight line the loss falls nearly
# all the way, too, but training (its places are drawn at their share of the steps) was on low ground much
# sooner. How much longer is its way than the straight line? And does the steepest way down at the start
# point to the end?


# %%
def length(direction: Weights) -> float:
    return math.sqrt(dot(direction, direction))


def way(start: Weights, end: Weights) -> Weights:
    """The direction that leads from start to end."""
    return moved(end, start, -1)


steps = [length(way(a, b)) for a, b in zip(path, path[1:], strict=False)]
across, crow = way(begin, end), length(way(begin, end))
at_start = {name: weight.clone().requires_grad_() for name, weight in begin.items()}
uphill = dict(zip(begin, torch.autograd.grad(height(at_start), list(at_start.values())), strict=True))
cosine = -dot(uphill, across) / (length(uphill) * crow)
print(f"along the twelve places {sum(steps):.1f}, in a straight line {crow:.1f}")
print(f"The steepest way at the start points to the end with a cosine of {cosine:.2f}.")
assert sum(steps) >= crow
assert cosine > 0

# %% [markdown]
# ## In random directions
#
# From the end, in directions which chance chooses. There is a trap in it: a weight matrix with small
# numbers is ruined by a step that a matrix with large numbers does not feel. So that different models and
# parts can be compared, each **row** of a direction is made as long as the row of weights that it changes,
# and biases and norms stay as they are (Li et al. 2018, "filter normalisation").


# %%
def scaled_like(direction: Weights, weights: Weights) -> Weights:
    """Each row as long as the row of weights; zero for whatever is no matrix."""
    scaled = {}
    for name, weight in weights.items():
        d = direction[name]
        if weight.ndim < 2:
            scaled[name] = torch.zeros_like(d)
        else:
            scaled[name] = d / d.norm(dim=1, keepdim=True) * weight.norm(dim=1, keepdim=True)
    return scaled


for name, d in scaled_like(random_direction(end, seed=3), end).items():
    if d.ndim == 2:
        assert torch.allclose(d.norm(dim=1), end[name].norm(dim=1), rtol=1e-4), name

ways = np.linspace(-1, 1, 9 if SHORT else 33)
figure, axes = plt.subplots(figsize=(7, 3.4), layout="constrained")
for where, weights, colour in (("the start", begin, "#b9c4c6"), ("the end", end, "#0b6a72")):
    for seed in range(2 if SHORT else 5):
        d = scaled_like(random_direction(weights, seed=10 + seed), weights)
        with torch.no_grad():
            heights = [height(moved(weights, d, s)).item() for s in ways]
        axes.plot(ways, heights, color=colour, linewidth=1.2, label=None if seed else f"from {where}")
axes.spines[["top", "right"]].set_visible(False)
axes.set_xlabel("how far, in lengths of the weights themselves")
axes.set_title("Loss in five random directions, nats per byte", loc="left")
axes.legend(frameon=False)
plt.show()

# %% [markdown]
# Around the start the country is flat: whatever one changes at random in a model that knows nothing, it
# still knows nothing. The end is the bottom of a valley, and in each direction it goes up. But note how
# alike the five curves are. In so many dimensions chance hardly ever meets a special direction. The special
# ones, along which the valley goes on or the wall is steep, are few, and training finds them.
#
# ## A map
#
# A plane through the end: one axis is the direction from the start to the end; the other one, at a right
# angle to it, points to where the path bends most. All places of the path are projected on it.


# %%
def times(direction: Weights, factor: float) -> Weights:
    return {name: factor * d for name, d in direction.items()}


unit = times(across, 1 / crow)
bends = []
for weights in path:
    off = way(end, weights)
    bends.append(moved(off, unit, -dot(off, unit)))  # what of it is at a right angle
widest = max(bends, key=length)
upright = times(widest, 1 / length(widest))
assert abs(dot(unit, upright)) < 1e-4
assert math.isclose(length(upright), 1, rel_tol=1e-4)
spots = [(dot(way(end, weights), unit), dot(way(end, weights), upright)) for weights in path]

n = 7 if SHORT else 25
xs, ys = np.linspace(-1.25, 0.6, n) * crow, np.linspace(-0.6, 0.9, n) * crow
with torch.no_grad():
    grid = [[height(moved(moved(end, unit, x), upright, y)).item() for x in xs] for y in ys]
figure, axes = plt.subplots(figsize=(7, 4.6), layout="constrained")
filled = axes.contourf(xs, ys, np.minimum(grid, 7), levels=20, cmap="YlGnBu_r")
figure.colorbar(filled, label="nats per byte")
axes.plot(*zip(*spots, strict=True), "o-", color="#b04a12", markersize=4)
axes.annotate("start", spots[0], (4, -14), textcoords="offset points", color="#b04a12")
axes.annotate("end", spots[-1], (6, -12), textcoords="offset points", color="#b04a12")
axes.set_title("A plane through the landscape, and the path of training in it", loc="left")
plt.show()

# %% [markdown]
# Training first turns aside to the next low ground, and then goes along the valley. But the map shows two
# of many thousand dimensions. The heights are those of the plane, and what the path does outside of it is
# missing. All such pictures are shadows: good for seeing whether a valley is wide or narrow, and no good
# for judging what an optimizer "should have" done.
#
# ## A wall between equals
#
# Inside each feed-forward part are 192 neurons. Who numbers them otherwise, the rows of the first matrix
# and the columns of the second one in the same way, gets another place in the landscape and **exactly the
# same model**. There are 192! such places for one block alone (a number with 357 digits). What lies between
# two of them?


# %%
def renumbered(weights: Weights, seed: int) -> Weights:
    """The same model, with the neurons of its feed-forward parts in another order."""
    generator, changed = torch.Generator().manual_seed(seed), dict(weights)
    for name in weights:
        if name.endswith("mlp.up.weight"):  # (4D, D)
            order = torch.randperm(len(weights[name]), generator=generator)
            part = name.removesuffix("up.weight")
            changed[name] = weights[name][order]
            changed[part + "up.bias"] = weights[part + "up.bias"][order]
            changed[part + "down.weight"] = weights[part + "down.weight"][:, order]  # (D, 4D)
    return changed


twin = renumbered(end, seed=4)
with torch.no_grad():
    says, twin_says = (functional_call(MODEL, weights, (IDS,)) for weights in (end, twin))
assert torch.allclose(says, twin_says, atol=1e-4)
alphas = np.linspace(0, 1, 7 if SHORT else 25)
walls = {
    "its twin: neurons renumbered": heights_between(end, twin, alphas),
    "another start and training": heights_between(end, other_end, alphas),
    "the place a little before the end": heights_between(end, path[-3], alphas),
}
assert math.isclose(
    walls["its twin: neurons renumbered"][0], walls["its twin: neurons renumbered"][-1], rel_tol=1e-4
)

figure, axes = plt.subplots(figsize=(7, 3.4), layout="constrained")
for (name, heights), colour in zip(walls.items(), ("#0b6a72", "#e0a070", "#999999"), strict=True):
    axes.plot(alphas, heights, color=colour, label=name)
    print(f"{name:34} at most {max(heights) - max(heights[0], heights[-1]):.2f} above the higher end")
axes.spines[["top", "right"]].set_visible(False)
axes.set_xlabel("from the end of training (0) to … (1)")
axes.set_title("Loss on the way, nats per byte", loc="left")
figure.legend(frameon=False, ncols=3, loc="outside lower center")
plt.show()
if not SHORT:
    assert max(walls["its twin: neurons renumbered"]) > walls["its twin: neurons renumbered"][0] + 0.1

# %% [markdown]
# Halfway between two equal models is a worse one: the mean of a neuron for names and a neuron for commas is
# good for neither. Two trainings from different starts end in different valleys (between them lies the high
# ground), although both are about equally good. So the mean of two models' weights makes sense only where
# they belong to the same valley: for places of the *same* training it does.
#
# ## Exercises
#
# Replace `...` and run the cell again. The first: **slope and curvature by trying.** You are given a
# function: how high is it at t? Find both at t = 0 from three heights. (The function is a line through a
# real GPT. Two heights are enough for a slope, but not for a good one: take both sides.)


# %%
def slope_and_curvature(height_at, little: float) -> tuple[float, float]:
    """height_at(t) -> the height; little: how far to go. The first and the second derivative at 0."""
    ...


# %%
def check_slope_and_curvature(yours) -> str:
    MODEL.double()
    try:
        for weights, seed in ((begin, 21), (end, 22), (end, 23)):
            weights = {name: w.double() for name, w in weights.items()}
            d = scaled_like(random_direction(weights, seed), weights)
            own = derivatives(weights, d)
            with torch.no_grad():
                got = yours(lambda t, w=weights, d=d: height(moved(w, d, t)).item(), 5e-3)
            if got is None:
                return "slope_and_curvature: not yet. It gives nothing."
            for what, a, b, near in zip(("slope", "curvature"), got, own, (1e-4, 1e-3), strict=True):
                if abs(a - b) > near * (0.3 + abs(b)):
                    return (
                        f"slope_and_curvature: not yet. By autograd the {what} is {b:.5f}, yours is {a:.5f}."
                    )
    finally:
        MODEL.float()
    return f"slope_and_curvature: right! At the end of training: {got[0]:.4f} and {got[1]:.4f}."


print(check_slope_and_curvature(slope_and_curvature))

# %% [markdown]
# The second: **the mean of several models.** Take the places on the last part of a training, and give the
# place in their middle. (People do this to get the effect of a falling rate, and call it weight averaging.)
# It is put into a real model, whose loss is measured.


# %%
def middle(places: list[Weights]) -> Weights:
    """The mean of the places, weight by weight. They must not be changed."""
    ...


# %%
def check_middle(yours) -> str:
    for places in (path[-4:], path[:3], path[-1:]):
        given = [moved(weights, weights, 0) for weights in places]  # copies
        got = yours(given)
        if got is None or set(got) != set(end):
            return "middle: not yet. It does not give all weights by their names."
        for weights, kept in zip(given, places, strict=True):
            if not all(torch.equal(weight, kept[name]) for name, weight in weights.items()):
                return "middle: not yet. The places that you were given are others now."
        for name, weight in got.items():
            own = torch.stack([weights[name] for weights in places]).mean(0)
            if weight.shape != own.shape or not torch.allclose(weight, own, atol=1e-5):
                return f"middle: not yet. Of {len(places)} places, {name} is another one."
    model = new_model(3)
    model.load_state_dict({**yours(path[-4:]), "unembed.weight": yours(path[-4:])["tokens.weight"]})
    loss, count = NextToken(model)({"ids": IDS, "targets": TARGETS})
    single = ", ".join(f"{height(weights).item():.3f}" for weights in path[-4:])
    return f"middle: right! The last four places: {single}. Their mean: {loss.item() / count:.3f}."


print(check_middle(middle))

# %% [markdown]
# The third: **another twin.** The heads of an attention may be renumbered, too. Given the four matrices of
# an attention and an order of its heads, return them so that nothing changes in what the attention
# computes. Each head has its own rows in `query`, `key` and `value` (K rows: `width` of them for each head,
# one head after the other), and its own *columns* in `output`. (With `order` = [1, 0] the second head
# becomes the first.)


# %%
def heads_renumbered(
    query: Tensor, key: Tensor, value: Tensor, output: Tensor, order: list[int], width: int
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """(H * K, D) three times, and (D, H * K) -> the same, with the heads in another order."""
    ...


# %%
def check_heads_renumbered(yours) -> str:
    torch.manual_seed(6)
    config = groundup.ModelConfig(
        vocab_size=50,
        context_length=LENGTH,
        d_model=48,
        n_layers=1,
        n_heads=4,
        qkv_bias=False,
        position="rope",
    )
    model = groundup.Decoder(config)
    for p in model.parameters():
        p.data += 0.2 * torch.randn_like(p)
    attention = model.blocks[0].attention
    parts = [getattr(attention, name) for name in ("query", "key", "value", "output")]
    ids = torch.randint(0, 50, (2, LENGTH))
    with torch.no_grad():
        own = model(ids)
        before = [part.weight.clone() for part in parts]
        got = yours(*(part.weight.clone() for part in parts), [2, 0, 3, 1], 12)
        if got is None or [g.shape for g in got] != [b.shape for b in before]:
            return "heads_renumbered: not yet. It does not give four matrices of the old shapes."
        for part, weight in zip(parts, got, strict=True):
            part.weight.copy_(weight)
        error = (model(ids) - own).abs().max().item()
    if error > 1e-3:
        return f"heads_renumbered: not yet. The logits have changed by up to {error:.2f}."
    if not torch.equal(got[0][:12], before[0][24:36]):
        return "heads_renumbered: not yet. The third head should have become the first."
    return "heads_renumbered: right! Another place in the landscape, the same model."


print(check_heads_renumbered(heads_renumbered))
