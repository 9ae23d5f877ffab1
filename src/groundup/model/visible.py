"""Who sees whom: from a few numbers to the mask of an attention layer, or none where none is needed.

Shapes: B batch, T queries, S keys.
"""

from dataclasses import dataclass
from typing import NamedTuple

from torch import Tensor


@dataclass(frozen=True)
class Visible:
    """What limits attention beyond the order of time: padding at the end, and borders between documents."""

    lengths: Tensor | None = None  # (B,) real tokens of each row, at least 1; then padding, on the right
    documents: Tensor | None = None  # (B, S) number of the document of each position; none sees another one's

    def mask(self, queries: Tensor, keys: Tensor) -> Tensor | None:
        """(B, 1, T, S), True where a query may look; None where nothing is hidden."""
        allowed = None
        if self.lengths is not None:
            allowed = (keys[None, :] < self.lengths[:, None])[:, None, None, :]  # (B, 1, 1, S)
        if self.documents is not None:
            same = self.documents[:, queries, None] == self.documents[:, None, keys]  # (B, T, S)
            allowed = same[:, None] if allowed is None else same[:, None] & allowed
        return allowed


class Sight(NamedTuple):
    """What attention is told: an explicit mask, or that plain causal order holds (for the fused kernel)."""

    mask: Tensor | None  # broadcastable to (B, H, T, S), True where a query may look
    is_causal: bool


def sight(
    queries: Tensor, keys: Tensor, window: int | None, visible: Visible | None, *, causal: bool = True
) -> Sight:
    """The mask of one kind of layer, or None where `is_causal` or nothing at all says the same.

    queries: (T,) positions that ask, or (B, T) where each row has its own; keys: (S,) positions that can be
    seen; window: how many positions back, its own included; causal: only what came before, or everything.
    """
    if not causal:
        assert window is None, "a window looks back"
        return Sight(None if visible is None else visible.mask(queries, keys), is_causal=False)
    each = queries.ndim == 2
    assert visible is None or not each, "rows of different lengths need no mask but that of time"
    extra = None if visible is None else visible.mask(queries, keys)
    n_queries, n_keys = queries.shape[-1], len(keys)
    if extra is None and not each and (window is None or window >= n_keys):
        if n_queries == n_keys:
            return Sight(None, is_causal=True)
        if n_queries == 1:  # one new token sees everything read so far
            return Sight(None, is_causal=False)
    distance = queries[..., None] - keys  # (T, S)
    if each:
        distance = distance[:, None]  # (B, 1, T, S)
    allowed = distance >= 0
    if window is not None:
        allowed = allowed & (distance < window)
    # A row of padding would see nothing, and softmax over nothing is NaN: each position sees itself.
    return Sight(allowed if extra is None else (allowed & extra) | (distance == 0), is_causal=False)
