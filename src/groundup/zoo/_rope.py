"""Rotary positions in config.json: `rope_parameters`, or, before transformers 5, `rope_theta` and more."""

from typing import Any

from groundup.errors import UserError
from groundup.model.config import ModelConfig, RopeScaling
from groundup.zoo._family import required

NAMES = {
    "original_max_position_embeddings": "original_context",
    "low_freq_factor": "low_frequency_factor",
    "high_freq_factor": "high_frequency_factor",
}
"""Fields of a Llama 3 scaling as config.json calls them, and as RopeScaling does."""
KNOWN = {"default": [], "linear": ["factor"], "llama3": ["factor", *NAMES]}


def read_rope(config_json: dict[str, Any]) -> dict[str, Any]:
    """`rope_base` and `rope_scaling` of ModelConfig. UserError for a scaling that we do not compute."""
    rope = config_json.get("rope_scaling") or config_json.get("rope_parameters") or {}
    kind = rope.get("rope_type", rope.get("type", "default"))
    if kind not in KNOWN:
        raise UserError(
            f"config.json scales rotary positions by {kind!r}, which groundup does not compute. "
            f"Known: {', '.join(KNOWN)}. Choose another model."
        )
    given = {"partial_rotary_factor": config_json.get("partial_rotary_factor"), **rope}
    usual = (*KNOWN[kind], "rope_type", "type", "rope_theta")
    # 1.0 is what these options mean where they are not given.
    strange = [name for name, value in given.items() if name not in usual and value not in (None, 1.0)]
    if strange:
        raise UserError(
            f"config.json gives the rotary positions {', '.join(strange)}, which groundup does not compute. "
            f"Choose another model."
        )
    scaling = None
    if kind == "linear":
        scaling = RopeScaling(kind="linear", factor=float(required(rope, "factor")))
    if kind == "llama3":
        fields = {ours: required(rope, theirs) for theirs, ours in NAMES.items()}
        scaling = RopeScaling(kind="llama3", factor=float(required(rope, "factor")), **fields)
    bases = (rope, config_json, config_json.get("rope_parameters") or {})
    base = next((place["rope_theta"] for place in bases if place.get("rope_theta")), 10_000.0)
    return {"rope_base": float(base), "rope_scaling": scaling}


def write_rope(config: ModelConfig) -> dict[str, Any]:
    """The same in the old and in the new names."""
    scaling = config.rope_scaling
    scaled: dict[str, Any] = {"rope_type": "default"}
    if scaling is not None:
        scaled = {"rope_type": scaling.kind, "factor": scaling.factor}
        if scaling.kind == "llama3":
            scaled |= {theirs: getattr(scaling, ours) for theirs, ours in NAMES.items()}
    return {
        "rope_theta": config.rope_base,
        "rope_scaling": scaled if scaling else None,
        "rope_parameters": {**scaled, "rope_theta": config.rope_base},
    }
