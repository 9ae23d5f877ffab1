# %% [markdown]
# # 7. Attention
#
# The model of lesson 5 sees a handful of words, always those at the same places. But *whose* jug it is may
# have been said twenty words ago, or fifty. **How can a word find, among all the others, the one that it
# needs?**
#
# It asks. Each word sends out a question, compares it with a label on every other word, and takes most from
# those whose label fits. This is **attention**; it is four lines long and the heart of every language model
# of today (Vaswani et al., "Attention Is All You Need", 2017). We build it in three steps: for one word; for
# all words at once; and with learned questions and labels. It must then equal PyTorch's and groundup's.

# %%
import math
import os

import matplotlib.pyplot as plt
import torch
import torch.nn.functional as F
from torch import Tensor, nn

import groundup

SHORT = os.environ.get("GROUNDUP_LESSON") == "short"  # groundup's tests run the lesson in a few seconds

# %% [markdown]
# ## The smallest example, by hand
#
# Three words, and two numbers for each: `1 0`, `0 1` and `1 1`. The third word looks at all three.
#
# 1. **Compare.** How well does a word fit? Multiply number by number and add up (the *dot product*). With the
#    first word: 1·1 + 1·0 = 1. With the second: 1. With itself: 2. These are the **scores**.
# 2. **Shares.** The softmax of lesson 1 makes shares of them that add up to 1. $e^1 = 2.718$ and $e^2 =
#    7.389$, together 2.718 + 2.718 + 7.389 = 12.825. So the **weights** are 0.212, 0.212 and 0.576.
# 3. **Gather.** Take so much of each word: 0.212 · `1 0` + 0.212 · `0 1` + 0.576 · `1 1` = `0.788 0.788`.
#
# Nothing is learned here yet. Shapes in the comments: T words that ask, S words that are looked at, D numbers
# for each word, B texts in a batch.

# %%
x = torch.tensor([[1.0, 0.0], [0.0, 1.0], [1.0, 1.0]], requires_grad=True)  # (T, D)

scores = x @ x[2]  # (S,) how well each word fits the third
weights = scores.softmax(0)  # (S,) shares that add up to 1
gathered = weights @ x  # (D,)
assert scores.tolist() == [1, 1, 2]
assert torch.allclose(weights, torch.tensor([0.212, 0.212, 0.576]), atol=5e-4)
assert torch.allclose(gathered, torch.tensor([0.788, 0.788]), atol=5e-4)

# %% [markdown]
# For all words at once it is the same three lines with a table in place of a row: row t holds what word t
# finds. A matrix multiplication does all dot products together, and a computer does nothing faster than that.

# %%
scores = x @ x.T  # (T, S) row t: how well each word fits word t
weights = scores.softmax(-1)  # (T, S) each row adds up to 1
everywhere = weights @ x  # (T, D)
assert torch.allclose(everywhere[2], gathered)
print(weights.detach().numpy().round(3))

# %% [markdown]
# PyTorch has a function for this, which we shall meet again. It agrees, also about how the loss would change
# with each number.

# %%
theirs = F.scaled_dot_product_attention(x[None], x[None], x[None], scale=1.0)[0]
direction = torch.tensor([[1.0, 2.0], [0.0, -1.0], [3.0, 0.5]])  # any gradient that may come from above
ours_back, theirs_back = (torch.autograd.grad(out, x, direction)[0] for out in (everywhere, theirs))
assert torch.allclose(everywhere, theirs)
assert torch.allclose(ours_back, theirs_back, atol=1e-6)

# %% [markdown]
# ## Queries, keys and values
#
# Look at the table above: the third word takes most from itself. Whoever compares words by what they *are*
# finds those that are like himself. But "jug" does not look for other jugs; it looks for its owner. What a
# word looks for, what it is found by, and what it gives are three things. So each word gets three rows of
# numbers, by three learned matrices:
#
# - the **query**: what I look for;
# - the **key**: what I am found by;
# - the **value**: what I give to those who look at me.
#
# It is a dictionary that need not have the exact word: everything is found, in the share in which it fits. If
# one key fits much better than the others, it is nearly an exact look-up. By hand: keys `1 0` and `0 1`,
# values 10 and 20. The query `5 0` has the scores 5 and 0, the weights 0.9933 and 0.0067, and finds 10.07.


# %%
def attention(query: Tensor, key: Tensor, value: Tensor) -> Tensor:
    """(..., T, K) queries, (..., S, K) keys, (..., S, K) values -> (..., T, K) what each query finds."""
    scores = query @ key.mT / math.sqrt(query.shape[-1])  # (..., T, S); why the root, we see below
    return scores.softmax(-1) @ value


query = torch.tensor([[5.0, 0.0]]) * math.sqrt(2)  # undoes the root
found = attention(query, torch.eye(2), torch.tensor([[10.0], [20.0]]))
assert math.isclose(found.item(), 10.067, abs_tol=5e-4)

# %% [markdown]
# ## Why the root?
#
# The scores are divided by the root of K, the number of numbers in a query. Why? Suppose that the numbers of
# queries and keys are independent, with mean 0 and variance 1. One product of two of them has the variance
# 1 · 1 = 1, too. A score is the sum of K such products, and *variances of independent things add up*: the
# score has the variance K, so its spread (standard deviation) is $\sqrt K$. With K = 64 scores of ±8 and ±16
# are common. What does the softmax do with that?

# %%
widths = [2**power for power in range(13)]
spread, largest, gradient = {}, {}, {}
torch.manual_seed(1)
for width in widths:
    queries, keys = torch.randn(500, 1, width), torch.randn(500, 16, width)
    plain = (queries @ keys.mT).squeeze(1)  # (500, 16): 500 times a query and 16 keys
    for name, scores in (("as they are", plain), ("divided by √K", plain / math.sqrt(width))):
        weights = scores.softmax(-1)
        spread.setdefault(name, []).append(scores.std().item())
        largest.setdefault(name, []).append(weights.max(-1).values.mean().item())
        # By its own score, a weight w changes with w (1 - w): nothing, if it is 0 or 1.
        gradient.setdefault(name, []).append((weights * (1 - weights)).mean().item())

roots = [math.sqrt(width) for width in widths]
assert all(abs(s / root - 1) < 0.2 for s, root in zip(spread["as they are"], roots, strict=True))
assert all(abs(s - 1) < 0.2 for s in spread["divided by √K"])

figure, all_axes = plt.subplots(1, 3, figsize=(10, 3.2), layout="constrained")
titles = ("spread of the scores", "largest of 16 weights", "how much a weight still learns")
for axes, title, values in zip(all_axes, titles, (spread, largest, gradient), strict=True):
    for (name, of_width), colour in zip(values.items(), ("#e0a070", "#0b6a72"), strict=True):
        axes.plot(widths, of_width, "o-", markersize=3, color=colour, label=name)
    axes.set_xscale("log", base=2)
    axes.set_title(title, loc="left", fontsize=10)
    axes.set_xlabel("K")
    axes.spines[["top", "right"]].set_visible(False)
all_axes[1].set_ylim(0, 1.05)
all_axes[2].set_ylim(bottom=0)
all_axes[0].legend(frameon=False)
plt.show()

# %% [markdown]
# Undivided scores make the softmax choose one key and ignore all others, by pure chance, before anything was
# learned. And where a weight is 0 or 1 its gradient is 0: it *cannot* learn that it should look elsewhere.
# Divided by the root, wide queries begin as gently as narrow ones.
#
# ## The part, complete
#
# Three matrices that make queries, keys and values, then the attention, and one more matrix that decides what
# is done with what was found. groundup's `Attention` has several *heads*, which lesson 9 explains. With one
# head it must be ours. Its argument `sight` says who sees whom, which is the subject of lesson 8; here
# everybody sees everybody.


# %%
class OneHead(nn.Module):
    """Each word gathers values from the words whose keys fit its query."""

    def __init__(self, d_model: int, head_width: int):
        super().__init__()
        self.query = nn.Linear(d_model, head_width)
        self.key = nn.Linear(d_model, head_width)
        self.value = nn.Linear(d_model, head_width)
        self.output = nn.Linear(head_width, d_model)

    def forward(self, x: Tensor) -> Tensor:
        """(B, T, D) -> (B, T, D)."""
        return self.output(attention(self.query(x), self.key(x), self.value(x)))


# %%
from groundup.model.layers import Attention
from groundup.model.visible import Sight

EVERYBODY = Sight(mask=None, is_causal=False)


def one_head_of_groundup(d_model: int, head_width: int) -> Attention:
    """groundup's attention with a single head."""
    sizes = {"vocab_size": 10, "context_length": 32, "d_model": d_model, "n_layers": 1, "n_heads": 1}
    return Attention(groundup.ModelConfig(**sizes, d_head=head_width))


def results_of(module: nn.Module, x: Tensor, *others) -> list[Tensor]:
    """What it gives for x, and the gradients by x and by each of its own numbers, of some loss."""
    x = x.clone().requires_grad_()
    out = module(x, *others)
    towards = torch.linspace(-1, 1, out.numel()).view(out.shape)  # any direction, but the same for all
    gradients = torch.autograd.grad((out * towards).sum(), [x, *module.parameters()])
    return [out.detach(), *gradients]


torch.manual_seed(1)
real, ours = one_head_of_groundup(32, 16), OneHead(32, 16)
ours.load_state_dict(real.state_dict())  # the parts have the same names
texts = torch.randn(4, 10, 32)  # (B, T, D)
compared = zip(results_of(ours, texts), results_of(real, texts, None, EVERYBODY), strict=True)
assert all(torch.allclose(one, other, atol=1e-5) for one, other in compared)
print("One head of groundup's attention: the same values, the same gradients.")

# %% [markdown]
# ## The experiment: what does Ada's friend have?
#
# Eight people have a thing each, told in any order: "Tom: a jug, Ada: a bowl, ..." Everybody has a friend,
# who is always the same. The question is: **what does the friend of this person have?** Nobody tells the
# model who is whose friend. It must find that out from the answers.
#
# Each person and each thing has an embedding, made by chance and never changed. An entry of the list is the
# sum of two: "Ada" + "bowl". The question is the embedding of the person. Three ways to read the list:
#
# - **mean**: all entries in the same share, however the question is;
# - **without weights**: attention as in the first part: look where the entry is like the question;
# - **queries, keys, values**: `OneHead`.
#
# What was found then goes through a learned matrix that names a thing.

# %%
WIDTH, EVERY = 48, 8  # numbers in an embedding; people, and things
names = ["Ada", "Ben", "Cleo", "Dan", "Eva", "Finn", "Gil", "Hana"]
torch.manual_seed(1)
people, things = torch.randn(EVERY, WIDTH), torch.randn(EVERY, WIDTH)  # (8, D) each
friend = torch.tensor([3, 7, 0, 5, 1, 2, 4, 6])  # the friend of person 0 is person 3, ...


def lists(count: int, generator: torch.Generator) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Lists (B, 8, D), who stands where (B, 8), the person asked about (B,), the right thing (B,)."""
    order = torch.rand(count, EVERY, generator=generator).argsort(1)
    has = torch.randint(EVERY, (count, EVERY), generator=generator)  # what person p has
    asked = torch.randint(EVERY, (count,), generator=generator)
    answer = has.gather(1, friend[asked][:, None])[:, 0]
    return people[order] + things[has.gather(1, order)], order, asked, answer


class Reader(nn.Module):
    """Looks at a list with a question, then names a thing."""

    def __init__(self, way: str):
        super().__init__()
        self.way, self.head, self.name = way, OneHead(WIDTH, 24), nn.Linear(WIDTH, EVERY)

    def weights(self, entries: Tensor, question: Tensor) -> Tensor:
        """(B, 8, D) the list, (B, 1, D) the question -> (B, 1, 8) the share of each entry."""
        if self.way == "mean":
            return torch.full((len(entries), 1, EVERY), 1 / EVERY)
        if self.way == "without weights":
            return (question @ entries.mT / math.sqrt(WIDTH)).softmax(-1)
        query, key = self.head.query(question), self.head.key(entries)
        return (query @ key.mT / math.sqrt(24)).softmax(-1)

    def forward(self, entries: Tensor, question: Tensor) -> Tensor:
        weights = self.weights(entries, question)
        if self.way == "queries, keys, values":
            return self.name(self.head.output(weights @ self.head.value(entries)))[:, 0]
        return self.name(weights @ entries)[:, 0]


def learn(way: str, steps: int) -> tuple[Reader, list[float]]:
    """Train a reader; the share of right answers on new lists at each step."""
    torch.manual_seed(2)
    reader, generator, right = Reader(way), torch.Generator().manual_seed(3), []
    optimizer = torch.optim.Adam(reader.parameters(), lr=5e-3)
    for _ in range(steps):
        entries, _, asked, answer = lists(128, generator)
        logits = reader(entries, people[asked][:, None])
        loss = F.cross_entropy(logits, answer)
        right.append((logits.argmax(-1) == answer).float().mean().item())  # no list comes twice
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return reader, right


ways = ("mean", "without weights", "queries, keys, values")
learned = {way: learn(way, 20 if SHORT else 250) for way in ways}

# %%
figure, (left, right_axes) = plt.subplots(1, 2, figsize=(10, 3.8), layout="constrained")
for (way, (_, right)), colour in zip(learned.items(), ("#999999", "#e0a070", "#0b6a72"), strict=True):
    smooth = torch.tensor(right).unfold(0, 10, 5).mean(1)
    left.plot([10 + 5 * i for i in range(len(smooth))], smooth, color=colour, label=way)
left.set_ylim(0, 1.05)
left.set_xlabel("steps")
left.set_title("right answers on new lists", loc="left", fontsize=10)
left.spines[["top", "right"]].set_visible(False)
left.legend(frameon=False)

reader = learned["queries, keys, values"][0]
with torch.no_grad():
    entries, order, asked, _ = lists(4000, torch.Generator().manual_seed(5))
    weights = reader.weights(entries, people[asked][:, None])[:, 0]  # (B, 8) by place in the list
by_person = torch.zeros_like(weights).scatter(1, order, weights)  # (B, 8) by person
looks = torch.stack([by_person[asked == person].mean(0) for person in range(EVERY)])  # (asked, looked at)
right_axes.imshow(looks.numpy(), cmap="BuGn", vmin=0, vmax=1)
right_axes.plot(friend, range(EVERY), "o", color="#b04a12", markersize=4, label="the friend")
right_axes.set_xticks(range(EVERY), names, fontsize=8)
right_axes.set_yticks(range(EVERY), names, fontsize=8)
right_axes.set_ylabel("asked about")
right_axes.set_title("where it looks in the list (darker: more)", loc="left", fontsize=10)
plt.show()

for way, (_, right) in learned.items():
    print(f"{way:22} {sum(right[-10:]) / 10:.0%} right at the end; by guessing {1 / EVERY:.0%}")
assert SHORT or (looks.argmax(1) == friend).all()

# %% [markdown]
# Without learned queries the reader looks at the person who was *named*, and reports the wrong owner's
# thing: it is worse than the mean, which at least knows what things there are and names the most frequent.
# With them it has found out who is whose friend, although no friendship was ever told. Each red point lies
# on a dark field: the query of a person has become the key of the friend. And it does not matter where in
# the list the friend stands.
#
# ## Exercises
#
# Replace `...` and run the cell again. The first: **attention for one word**, as at the beginning, but with
# query, keys and values (and the root). It is put into a real GPT: at every place of a text, in every layer,
# your function gathers for the word there from the words up to it.


# %%
def gather(query: Tensor, keys: Tensor, values: Tensor) -> Tensor:
    """(K,) a query, (S, K) keys, (S, K) values -> (K,) what it finds."""
    ...


# %%
class WordByWord(nn.Module):
    """groundup's attention, with your function for each word by itself."""

    def __init__(self, real: Attention, yours):
        super().__init__()
        self.real, self.yours = real, yours

    def forward(self, x: Tensor, rope, sight, cache=None) -> Tensor:
        query, key, value = self.real.query(x), self.real.key(x), self.real.value(x)  # (B, T, K) each
        rows = [
            torch.stack([self.yours(q[t], k[: t + 1], v[: t + 1]) for t in range(len(q))])
            for q, k, v in zip(query, key, value, strict=True)
        ]
        return self.real.output(torch.stack(rows))


def check_gather(yours) -> str:
    small = yours(torch.tensor([2.0, 0, 0, 0]), torch.eye(4)[:2], torch.tensor([[1.0] * 4, [0.0] * 4]))
    share = math.e / (math.e + 1)  # scores 2/√4 = 1 and 0
    if not isinstance(small, Tensor) or small.shape != (4,):
        return "gather: not yet. It should give back a row of K numbers."
    if not torch.allclose(small, torch.full((4,), share), atol=1e-5):
        return f"gather: not yet. With scores of 1 and 0, expected {share:.4f}, yours {small[0]:.4f}."
    torch.manual_seed(4)
    sizes = {"vocab_size": 40, "context_length": 12, "d_model": 16, "n_layers": 2, "n_heads": 1}
    model = groundup.Decoder(groundup.ModelConfig(**sizes)).eval()
    for block in model.blocks:
        nn.init.normal_(block.attention.query.weight)  # large, so that the weights differ
        nn.init.normal_(block.attention.key.weight)
    ids = torch.randint(0, 40, (2, 12))
    with torch.no_grad():
        own = model(ids)
        for block in model.blocks:
            block.attention = WordByWord(block.attention, yours)
        off = (model(ids) - own).abs().max().item()
    if off > 1e-5:
        return f"gather: not yet. In a GPT the logits differ by {off:.2g}."
    return "gather: right! A GPT says the same with your function at each place and in each layer."


print(check_gather(gather))

# %% [markdown]
# The second: **how does a score learn?** The loss has some gradient $g_s$ by each weight $w_s$. Since the
# weights add up to 1, one can only grow when others shrink. So a score grows in importance if its $g$ is
# above the mean of all $g$, where each counts by its weight: the gradient by score s is $w_s \cdot (g_s -
# \sum_r w_r\, g_r)$. Your function takes the place of PyTorch's in a backward pass through the attention.


# %%
def through_softmax(weights: Tensor, gradient: Tensor) -> Tensor:
    """(..., S) the weights, (..., S) the gradient by them -> (..., S) the gradient by the scores."""
    ...


# %%
def check_through_softmax(yours) -> str:
    class Softmax(torch.autograd.Function):
        """PyTorch's forward, your backward."""

        @staticmethod
        def forward(ctx, scores: Tensor) -> Tensor:
            weights = scores.softmax(-1)
            ctx.save_for_backward(weights)
            return weights

        @staticmethod
        def backward(ctx, gradient: Tensor) -> Tensor:
            return yours(ctx.saved_tensors[0], gradient)

    class Yours(OneHead):
        def forward(self, x: Tensor) -> Tensor:
            scores = self.query(x) @ self.key(x).mT / math.sqrt(16)
            return self.output(Softmax.apply(scores) @ self.value(x))

    got = yours(torch.tensor([0.5, 0.3, 0.2]), torch.tensor([1.0, 0.0, 0.0]))
    if not isinstance(got, Tensor) or got.shape != (3,):
        return "through_softmax: not yet. It should give back a number for each score."
    if not torch.allclose(got, torch.tensor([0.25, -0.15, -0.10]), atol=1e-6):
        return f"through_softmax: not yet. Weights 0.5 0.3 0.2, gradient 1 0 0: 0.25 -0.15 -0.10, not {got}."
    module = Yours(32, 16)
    module.load_state_dict(real.state_dict())
    large = 5 * texts  # so that some weights are much larger than others
    pairs = zip(results_of(module, large), results_of(real, large, None, EVERYBODY), strict=True)
    off = max(((one - other).abs().max() / other.abs().max().clamp(min=1)).item() for one, other in pairs)
    if off > 1e-3:
        return f"through_softmax: not yet. The gradients of groundup's attention are others, by {off:.1%}."
    return "through_softmax: right! Each matrix of groundup's attention learns what you say."


print(check_through_softmax(through_softmax))

# %% [markdown]
# The third: **make the friends by hand.** Instead of learning it, write down the query matrix M. For every
# person p, M times the embedding of p should be (nearly) the embedding of the friend of p. Think of a sum of
# simple tables, one for each pair of friends. (Embeddings made by chance stand nearly at right angles to each
# other: `people[p] @ people[q]` is small unless p is q.) With keys and values as they are, groundup's
# attention must then answer the question without having learned anything.


# %%
def query_matrix(people: Tensor, friend: Tensor) -> Tensor:
    """(P, D) the embeddings, (P,) the friend of each -> M, (D, D)."""
    ...


# %%
def check_query_matrix(yours) -> str:
    matrix = yours(people, friend)
    if not isinstance(matrix, Tensor) or matrix.shape != (WIDTH, WIDTH):
        return f"query_matrix: not yet. Expected a table of {WIDTH} x {WIDTH} numbers."
    module = one_head_of_groundup(WIDTH, WIDTH)
    with torch.no_grad():
        for part in (module.query, module.key, module.value, module.output):
            part.weight.copy_(matrix if part is module.query else torch.eye(WIDTH))
            part.bias.zero_()
        entries, _, asked, answer = lists(1000, torch.Generator().manual_seed(6))
        # The question stands at the end and looks at the list only, so a mask says whom it sees.
        texts = torch.cat([entries, people[asked][:, None]], 1)  # (B, 9, D)
        sees = torch.tensor([[True] * EVERY + [False]])  # (1, S), the same for each place that asks
        found = module(texts, None, Sight(mask=sees, is_causal=False))[:, -1]  # (B, D)
    right = ((found @ things.T).argmax(-1) == answer).float().mean().item()
    if right < 0.95:
        return f"query_matrix: not yet. It answers {right:.0%} of the questions, expected are 95%."
    return f"query_matrix: right! groundup's attention answers {right:.0%} with it, and has learned nothing."


print(check_query_matrix(query_matrix))
