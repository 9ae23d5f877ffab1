# %% [markdown]
# # 11. Blocks
#
# Attention gathers. But gathered numbers are only sums, and one layer of it is soon at its end. A GPT has 12
# layers, or 96. **What must stand between the layers, so that a tall stack of them can learn at all?**
#
# Three simple parts: a *norm*, which keeps the numbers at a good size; a *feed-forward* network, which
# thinks about what was gathered; and a *shortcut*, which goes round both. Together with attention they are
# a **block**, and a GPT is little else than a stack of blocks. We build each, prove that it is groundup's,
# and then take out norms and shortcuts, and watch the gradient die.

# %%
import math
import os

import matplotlib.pyplot as plt
import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

import groundup
from groundup import village

SHORT = os.environ.get("GROUNDUP_LESSON") == "short"  # groundup's tests run the lesson in a few seconds

# %% [markdown]
# ## Norms, by hand
#
# Take the four numbers `0 0 6 6`.
#
# - **LayerNorm** (Ba et al. 2016) takes off the mean and divides by the spread. The mean is 3. The
#   distances from it are `−3 −3 3 3`, the mean of their squares is 9, the root of it 3. So they become `−1
#   −1 1 1`.
# - **RMSNorm** (Zhang and Sennrich 2019) leaves the mean where it is, and divides by the root of the mean
#   square. The squares are `0 0 36 36`, their mean is 18, the root 4.243. So they become `0 0 1.414 1.414`.
#   It is cheaper, does as well, and is what most models use today.
#
# Afterwards each number is multiplied with a learned *weight*, which begins at 1; LayerNorm also adds a
# learned *bias*, which begins at 0. So the model may choose other sizes where it needs them. A tiny number
# `eps` under the root prevents a division by zero. Shapes in the comments: B texts, T places, D numbers at
# each place.


# %%
class LayerNorm(nn.Module):
    """Mean 0 and spread 1 for each place, then a learned weight and bias."""

    def __init__(self, width: int, eps: float):
        super().__init__()
        self.weight, self.bias = nn.Parameter(torch.ones(width)), nn.Parameter(torch.zeros(width))
        self.eps = eps

    def forward(self, x: Tensor) -> Tensor:
        """(..., D) -> (..., D)."""
        from_mean = x - x.mean(-1, keepdim=True)
        variance = from_mean.pow(2).mean(-1, keepdim=True)
        return from_mean / (variance + self.eps).sqrt() * self.weight + self.bias


class RMSNorm(nn.Module):
    """Root mean square 1 for each place, then a learned weight."""

    def __init__(self, width: int, eps: float):
        super().__init__()
        self.weight, self.eps = nn.Parameter(torch.ones(width)), eps

    def forward(self, x: Tensor) -> Tensor:
        """(..., D) -> (..., D)."""
        return x / (x.pow(2).mean(-1, keepdim=True) + self.eps).sqrt() * self.weight


four = torch.tensor([0.0, 0.0, 6.0, 6.0])
assert torch.allclose(LayerNorm(4, 0.0)(four), torch.tensor([-1.0, -1.0, 1.0, 1.0]))
assert torch.allclose(RMSNorm(4, 0.0)(four), torch.tensor([0.0, 0.0, 1.4142, 1.4142]), atol=1e-4)

# %%
from groundup.model.layers import ACTIVATIONS, Attention, FeedForward, make_norm
from groundup.model.layers import Block as RealBlock
from groundup.model.visible import Sight

CAUSAL = Sight(mask=None, is_causal=True)


def tiny_config(**changes) -> groundup.ModelConfig:
    """A small GPT."""
    sizes = {"vocab_size": 50, "context_length": 32, "d_model": 32, "n_layers": 2, "n_heads": 2}
    return groundup.ModelConfig(**{**sizes, **changes})


def results_of(module: nn.Module, x: Tensor, *others) -> list[Tensor]:
    """What it gives for x, and the gradients by x and by each of its own numbers, of some loss."""
    x = x.clone().requires_grad_()
    out = module(x, *others)
    towards = torch.linspace(-1, 1, out.numel()).view(out.shape)  # any direction, but the same for all
    gradients = torch.autograd.grad((out * towards).sum(), [x, *module.parameters()])
    return [out.detach(), *gradients]


def assert_equal(ours: nn.Module, real: nn.Module, x: Tensor, *others) -> None:
    """With the same weights: the same values, the same gradients."""
    with torch.no_grad():
        for parameter in real.parameters():
            parameter.add_(torch.randn_like(parameter) / 10)  # or weights of 1 would hide a mistake
    ours.load_state_dict(real.state_dict())
    for one, other in zip(results_of(ours, x, *others), results_of(real, x, *others), strict=True):
        assert torch.allclose(one, other, atol=1e-4)


torch.manual_seed(1)
x = torch.randn(3, 5, 32) * 4 + 1
for eps in (1e-5, 0.5):  # the usual one, and one so large that a mistake with it would be seen
    assert_equal(LayerNorm(32, eps), make_norm(tiny_config(norm="layer", norm_eps=eps)), x)
    assert_equal(RMSNorm(32, eps), make_norm(tiny_config(norm="rms", norm_eps=eps)), x)
print("LayerNorm and RMSNorm: the same as groundup's.")

# %% [markdown]
# ## A gentle bend: GELU
#
# Two matrices, one after the other, are no more than a single one. Between them something must *bend*. ReLU
# sets everything below 0 to 0. Whoever fell below 0 has no gradient there, and may never come back. **GELU**
# (Hendrycks and Gimpel 2016) is softer: it multiplies x by the probability Φ(x) that a normally distributed
# number lies below x. By hand: Φ(0) = ½, so 0 becomes 0; Φ(1) = 0.8413, so 1 becomes 0.8413; Φ(−1) =
# 0.1587, so −1 becomes −0.1587.
#
# GPT-2 was trained with an approximation by tanh, made when the exact one was slow:
# $\frac{x}{2}\left(1 + \tanh\left(\sqrt{2/\pi}\,(x + 0.044715\,x^3)\right)\right)$. Is it the same? Nearly. A
# model must get the one with which it was trained.


# %%
def gelu(x: Tensor) -> Tensor:
    """x times the probability that a normally distributed number is below x."""
    return x * (1 + torch.erf(x / math.sqrt(2))) / 2


def gelu_tanh(x: Tensor) -> Tensor:
    """GPT-2's approximation of it."""
    return x / 2 * (1 + torch.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3)))


def silu(x: Tensor) -> Tensor:
    """x times the logistic function of x: Llama's bend."""
    return x / (1 + torch.exp(-x))


line = torch.linspace(-5, 5, 1001, requires_grad=True)
for name, own in (("gelu", gelu), ("gelu_tanh", gelu_tanh), ("silu", silu)):
    theirs = ACTIVATIONS[name](line)
    slopes = [torch.autograd.grad(out.sum(), line)[0] for out in (own(line), theirs)]
    assert torch.allclose(own(line), theirs, atol=1e-5)
    assert torch.allclose(*slopes, atol=1e-5)
assert torch.allclose(gelu(torch.tensor([0.0, 1, -1])), torch.tensor([0, 0.8413, -0.1587]), atol=1e-4)
difference = (gelu_tanh(line) - gelu(line)).detach()
assert 4e-4 < difference.abs().max() < 5e-4

figure, (left, right) = plt.subplots(1, 2, figsize=(9, 3), layout="constrained")
at = line.detach()
for name, bend, colour in (
    ("ReLU", F.relu, "#999999"),
    ("GELU", gelu, "#0b6a72"),
    ("SiLU", silu, "#e0a070"),
):
    left.plot(at, bend(at), color=colour, label=name)
left.set_xlim(-4, 3)
left.set_ylim(-0.5, 3)
left.set_title("three bends", loc="left", fontsize=10)
left.legend(frameon=False)
right.plot(at, difference, color="#b04a12")
right.set_title("GPT-2's GELU less the exact one", loc="left", fontsize=10)
for axes in (left, right):
    axes.spines[["top", "right"]].set_visible(False)
plt.show()

# %% [markdown]
# At most 0.0005: it seems nothing. But the smallest GPT-2 bends 36,864 numbers at each place, and in the
# end one sees it in the logits. So groundup's tests compare with a tolerance that can tell the two apart.
#
# ## Feed-forward
#
# After attention has gathered, each place thinks for itself: a matrix makes D numbers into 4 · D, they are
# bent, and another matrix makes them D again. Two thirds of the learned numbers of a block are here.
#
# Models since Llama have three matrices. The second is a **gate** (Shazeer 2020): its bent numbers are
# multiplied with those of the first, number by number, and so open or close them.


# %%
class Feed(nn.Module):
    """The same small network at each place; plain with GELU, or with a gate."""

    def __init__(self, width: int, hidden: int, gated: bool):
        super().__init__()
        self.up = nn.Linear(width, hidden)
        if gated:
            self.gate = nn.Linear(width, hidden)
        self.down = nn.Linear(hidden, width)
        self.gated = gated

    def forward(self, x: Tensor) -> Tensor:
        """(..., D) -> (..., D)."""
        return self.down(silu(self.gate(x)) * self.up(x) if self.gated else gelu_tanh(self.up(x)))


assert_equal(Feed(32, 128, gated=False), FeedForward(tiny_config()), x)
assert_equal(Feed(32, 96, gated=True), FeedForward(tiny_config(mlp="gated", activation="silu")), x)
print("Feed-forward, plain and gated: the same as groundup's.")

# %% [markdown]
# ## The shortcut
#
# How does the loss tell the first of 24 layers what it should do better? By the chain rule: the gradient is
# *multiplied* by what each layer does to a small change. If each one halves it, $\frac12$ twenty-four times
# is 0.00000006. The first layer learns nothing. If each one doubles it, it is 16 million.
#
# So do not replace x by f(x), but **add** it: x + f(x) (He et al. 2015). The slope is then 1 + f′: if f
# does little, as at the beginning, the gradient passes as it is. By hand for two layers of f(x) = x/2:
# without shortcuts ½ · ½ = ¼, with them 1.5 · 1.5 = 2.25. That is 1 + ½ + ½ + ¼: **four ways** from the end
# to the beginning, past both layers, through one of them, through both. With 24 layers there are 16 million
# ways, and one of them is free of every layer.
#
# A block is then two lines: x plus attention of the normed x; then x plus feed-forward of the normed x. Along
# the sum runs a *stream* from which all layers read, and to which they add.

# %%
start = torch.tensor(1.0, requires_grad=True)
without, with_them = start / 2 / 2, start
for _ in range(2):
    with_them = with_them + with_them / 2
assert torch.autograd.grad(without, start)[0] == 0.25
assert torch.autograd.grad(with_them, start)[0] == 2.25


class Block(nn.Module):
    """Attention, then feed-forward, each with norm and shortcut (both can be left out)."""

    def __init__(self, config: groundup.ModelConfig, norms: bool = True, shortcuts: bool = True):
        super().__init__()
        width = config.d_model
        self.attention_norm = LayerNorm(width, config.norm_eps) if norms else nn.Identity()
        self.attention = Attention(config)  # built and proved in lessons 7 to 10
        self.mlp_norm = LayerNorm(width, config.norm_eps) if norms else nn.Identity()
        self.mlp = Feed(width, config.hidden_width, gated=False)
        self.shortcuts = shortcuts

    def forward(self, x: Tensor, rope, sight, cache=None) -> Tensor:
        """(B, T, D) -> (B, T, D)."""
        x = x * self.shortcuts + self.attention(self.attention_norm(x), rope, sight, cache)
        return x * self.shortcuts + self.mlp(self.mlp_norm(x))


assert_equal(Block(tiny_config()), RealBlock(tiny_config()), x, None, CAUSAL)
print("The block: the same as groundup's.")

# %% [markdown]
# ## The experiment: what happens without?
#
# A GPT with 24 blocks in four forms: as it should be, without shortcuts, without norms, and without both.
# (The last norm before the logits stays in all.) All matrices begin with a spread of
# $1/\sqrt{\text{inputs}}$, so that what comes out of each is about as large as what went in. Before the
# first step, each reads the same letters of the village, and we ask two things of each block: **how large
# is its gradient**, and **how alike have the places of a text become?** (The mean cosine between two
# places; 1: they are all the same.) Then a shorter stack of 12 learns in each form for a little while.

# %%
from groundup.data.writing import encode
from groundup.methods.next_token import NextToken
from groundup.training.settings import TrainSettings

LAYERS, LENGTH = 24, 32
tokenizer = groundup.Tokenizer.from_bytes()
texts = list(village.documents(seed=1, start=0, count=50 if SHORT else 300))
windows = groundup.TokenWindows(encode(texts, tokenizer).tokens, LENGTH)
batches = groundup.Batches(windows, groundup.Order(len(windows), seed=1), samples_per_step=16, micro_batch=16)


def make_model(norms: bool, shortcuts: bool, layers: int) -> groundup.Decoder:
    """A GPT of groundup with our blocks."""
    torch.manual_seed(1)
    sizes = {"vocab_size": tokenizer.vocab_size, "context_length": LENGTH, "n_layers": layers}
    model = groundup.Decoder(tiny_config(**sizes, tie_embeddings=False))
    model.blocks = nn.ModuleList(Block(model.config, norms, shortcuts) for _ in range(layers))
    nn.init.normal_(model.tokens.weight)
    for part in model.blocks.modules():
        if isinstance(part, nn.Linear):
            nn.init.normal_(part.weight, std=1 / math.sqrt(part.in_features))
            nn.init.zeros_(part.bias)
    return model


def examine(model: groundup.Decoder) -> tuple[list[float], list[float]]:
    """For each block: the size of the gradient of its first feed-forward matrix; how alike the places are."""
    alike = []

    def note(block: Block, given: tuple, x: Tensor) -> None:
        unit = F.normalize(x.detach(), dim=-1)  # (B, T, D)
        cosines = unit @ unit.mT  # (B, T, T) 1 on the diagonal
        alike.append(((cosines.sum() - LENGTH * len(x)) / (cosines.numel() - LENGTH * len(x))).item())

    for block in model.blocks:
        block.register_forward_hook(note)
    loss, count = NextToken(model)(batches.at(0)[0])
    matrices = [block.mlp.up.weight for block in model.blocks]
    return [g.norm().item() / count for g in torch.autograd.grad(loss, matrices)], alike


def learn(model: groundup.Decoder) -> list[float]:
    """The loss of each step, in bits per letter."""
    settings = TrainSettings(
        steps=5 if SHORT else 130,
        tokens_per_step=16 * LENGTH,
        sequence_length=LENGTH,
        micro_batch=16,
        learning_rate=3e-3,
        warmup_steps=10,
        schedule="linear",
        precision="float32",
    )
    losses = []
    groundup.train(NextToken(model), batches, settings, observers=[lambda state: losses.append(state.loss)])
    return [loss / math.log(2) for loss in losses]


forms = {
    "norms and shortcuts": (True, True),
    "no shortcuts": (True, False),
    "no norms": (False, True),
    "neither": (False, False),
}
colours = dict(zip(forms, ("#0b6a72", "#e0a070", "#6f5aa8", "#999999"), strict=True))
flow, alike = {}, {}
for form, parts in forms.items():
    flow[form], alike[form] = examine(make_model(*parts, LAYERS))
curves = {form: learn(make_model(*parts, LAYERS // 2)) for form, parts in forms.items()}

# %%
figure, all_axes = plt.subplots(1, 3, figsize=(11, 3.6), layout="constrained")
left, middle, right = all_axes
for form, colour in colours.items():
    left.plot(range(1, LAYERS + 1), flow[form], color=colour, label=form)
    middle.plot(range(1, LAYERS + 1), alike[form], color=colour)
    right.plot(curves[form], color=colour)
    print(
        f"{form:20} gradient {flow[form][0]:.0e} in the first block, {flow[form][-1]:.0e} in the last", end=""
    )
    print(f"; {np.mean(curves[form][-5:]):.2f} bits per letter at the end")
for axes, title in zip(
    all_axes, ("size of the gradient", "how alike the places are", "bits per letter"), strict=True
):
    axes.set_title(title, loc="left", fontsize=10)
    axes.set_xlabel("steps" if axes is right else "block")
    axes.spines[["top", "right"]].set_visible(False)
left.set_yscale("log")
left.legend(frameon=False, fontsize=8)
right.set_ylim(3.5, 8.2)
plt.show()
assert flow["no norms"][0] > 1e6 * flow["norms and shortcuts"][0]
assert SHORT or np.mean(curves["norms and shortcuts"][-5:]) < min(
    curves[form][-1] for form in list(forms)[1:]
)

# %% [markdown]
# **Without norms** each block makes the stream larger, and the next one reads it larger still. Going back,
# the gradient grows with each block, until no step can be made with it. **Without both** almost nothing
# comes through. And **without shortcuts**, but with norms, the gradient has a fine size. It is of no use
# all the same: look at the picture in the middle. Each attention mixes the places, and with nothing that
# goes round it they have soon become one and the same. Who stood where, and which letter it was, is lost on
# the way.
#
# So three of the four learn only how frequent each letter is, for which they need no block at all: this is
# the bend at 4.5 bits. The fourth goes on. Size and way: the norms keep the first, the shortcuts keep the
# second open. (GPT-2 starts its matrices with less than this, and the more blocks, the less. Lesson 12 says
# why.)
#
# ## Exercises
#
# Replace `...` and run the cell again. The first: **LayerNorm as a function**, with `eps` under the root. It
# takes the place of all norms of a real GPT.


# %%
def layer_norm(x: Tensor, weight: Tensor, bias: Tensor, eps: float) -> Tensor:
    """(..., D) -> (..., D) with mean 0 and spread 1 at each place, times the weight, plus the bias."""
    ...


# %%
class YourNorm(nn.Module):
    """groundup's norm, computed by your function."""

    def __init__(self, real: nn.LayerNorm, yours):
        super().__init__()
        self.real, self.yours = real, yours

    def forward(self, x: Tensor) -> Tensor:
        return self.yours(x, self.real.weight, self.real.bias, self.real.eps)


def shaken(model: groundup.Decoder) -> groundup.Decoder:
    """With weights that differ, so that a mistake shows."""
    torch.manual_seed(2)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(torch.randn_like(parameter) / 5)
    return model.eval()


ids = torch.randint(0, 50, (2, 17), generator=torch.Generator().manual_seed(1))


def check_layer_norm(yours) -> str:
    got = yours(torch.tensor([0.0, 0, 6, 6]), torch.tensor([1.0, 2, 1, 1]), torch.tensor([0.0, 0, 0, 5]), 0.0)
    if not isinstance(got, Tensor) or got.shape != (4,):
        return "layer_norm: not yet. It should give back numbers of the same shape."
    if not torch.allclose(got, torch.tensor([-1.0, -2, 1, 6]), atol=1e-5):
        return f"layer_norm: not yet. 0 0 6 6, weight 1 2 1 1, bias 0 0 0 5: -1 -2 1 6, not {got.tolist()}."
    model = shaken(groundup.Decoder(tiny_config(norm_eps=0.1)))  # an eps that one can see
    with torch.no_grad():
        own = model(ids)
        for block in model.blocks:
            block.attention_norm = YourNorm(block.attention_norm, yours)
            block.mlp_norm = YourNorm(block.mlp_norm, yours)
        model.final_norm = YourNorm(model.final_norm, yours)
        off = (model(ids) - own).abs().max().item()
    if not off < 1e-3:
        return f"layer_norm: not yet. In a GPT the logits differ by {off:.2g}; its eps is 0.1."
    return "layer_norm: right! A GPT says the same with your norm in five places."


print(check_layer_norm(layer_norm))

# %% [markdown]
# The second: **the slope of GELU.** GELU is x · Φ(x). By the product rule its slope is Φ(x) + x · φ(x),
# where φ is the bell curve $e^{-x^2/2} / \sqrt{2\pi}$. With your slope in place of PyTorch's, all matrices
# of a GPT must have the same gradients.


# %%
def gelu_slope(x: Tensor) -> Tensor:
    """The derivative of the exact GELU at each number."""
    ...


# %%
def check_gelu_slope(yours) -> str:
    got = yours(torch.tensor([0.0, 1.0]))
    if not isinstance(got, Tensor) or not torch.allclose(got, torch.tensor([0.5, 1.0833]), atol=1e-3):
        return f"gelu_slope: not yet. At 0 it is 0.5 and at 1 it is 1.0833, yours: {got}."

    class YourGelu(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x: Tensor) -> Tensor:
            ctx.save_for_backward(x)
            return F.gelu(x)

        @staticmethod
        def backward(ctx, gradient: Tensor) -> Tensor:
            return gradient * yours(ctx.saved_tensors[0])

    model = shaken(groundup.Decoder(tiny_config(activation="gelu")))
    gradients = []
    for bend in (F.gelu, YourGelu.apply):
        for block in model.blocks:
            block.mlp.activate = bend
        loss = F.cross_entropy(model(ids[:, :-1]).flatten(0, 1), ids[:, 1:].flatten())
        gradients.append(torch.autograd.grad(loss, list(model.parameters())))
    off = max((one - other).abs().max().item() for one, other in zip(*gradients, strict=True))
    if off > 1e-5:
        return f"gelu_slope: not yet. The gradients of a GPT differ by {off:.2g}."
    return "gelu_slope: right! All matrices of a GPT learn the same with it."


print(check_gelu_slope(gelu_slope))

# %% [markdown]
# The third: **the whole block**, from its parts. Each of the four is a function from (B, T, D) to (B, T, D).
# Beware: what is normed is only what the parts read; the stream itself is not.


# %%
def block(x: Tensor, attention_norm, attention, mlp_norm, mlp) -> Tensor:
    """(B, T, D) -> (B, T, D)."""
    ...


# %%
def check_block(yours) -> str:
    if not isinstance(yours(x, F.relu, F.relu, F.relu, F.relu), Tensor):
        return "block: not yet. It should give back a tensor (B, T, D)."

    class Yours(nn.Module):
        def __init__(self, real: RealBlock):
            super().__init__()
            self.real = real

        def forward(self, x: Tensor, rope, sight, cache=None) -> Tensor:
            def attention(normed: Tensor) -> Tensor:
                return self.real.attention(normed, rope, sight, cache)

            return yours(x, self.real.attention_norm, attention, self.real.mlp_norm, self.real.mlp)

    llama = {"position": "rope", "norm": "rms", "mlp": "gated", "activation": "silu", "n_kv_heads": 1}
    for name, changes in (("GPT-2", {}), ("Llama", llama)):
        model = shaken(groundup.Decoder(tiny_config(**changes)))
        with torch.no_grad():
            own = model(ids)
            model.blocks = nn.ModuleList(Yours(each) for each in model.blocks)
            off = (model(ids) - own).abs().max().item()
        if not off < 1e-4:
            return f"block: not yet. In a model like {name} the logits differ by {off:.2g}."
    return "block: right! Models like GPT-2 and like Llama say the same with it."


print(check_block(block))
