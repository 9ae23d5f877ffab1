"""The families of models, one file each: sizes, config.json both ways, and names of tensors both ways."""

import dataclasses
from typing import Any

from groundup.errors import UserError
from groundup.model.config import ModelConfig
from groundup.model.decoder import Decoder
from groundup.model.encoder import Encoder
from groundup.registry import Folder
from groundup.zoo._family import Family

FAMILIES: Folder[Family] = Folder("groundup.zoo", "FAMILY", "model family")


def family_for(config: ModelConfig, model: type[Decoder] | type[Encoder] = Decoder) -> Family:
    """The family of such models whose config.json says exactly this configuration.

    UserError with the fields that stand in the way of the nearest family, if none can.
    """
    misses: list[tuple[int, str, list[str]]] = []
    for family in FAMILIES.all():
        if family.model is not model:
            continue
        lost = lost_fields(family, config)
        if not lost:
            return family
        misses.append((len(lost), family.name, lost))
    _, name, lost = min(misses)
    told = ", ".join(f"{field}={getattr(config, field)!r}" for field in lost)
    raise UserError(
        f"No family of {model.__name__.lower()}s can express this configuration: the nearest, {name}, "
        f"cannot have {told}. Change that, or add a family under zoo/."
    )


def lost_fields(family: Family, config: ModelConfig) -> list[str]:
    """The names of the fields that come back otherwise after config.json of this family.

    Dropout does not count: it belongs to the training, and not every family's config.json has a place for it.
    """
    names = [f.name for f in dataclasses.fields(config) if f.name != "dropout"]
    try:
        back, wanted = resolved(family.read(family.write(config))), resolved(config)
    except UserError:
        # The sizes do not even fit together without a field that this family lacks, such as d_head.
        usual = {f.name: f.default for f in dataclasses.fields(config)} | family.defaults
        required = {f.name for f in dataclasses.fields(config) if f.default is dataclasses.MISSING}
        return [name for name in names if name not in required and getattr(config, name) != usual[name]]
    return [name for name in names if getattr(back, name) != getattr(wanted, name)]


def resolved(config: ModelConfig) -> ModelConfig:
    """The same configuration with every default that follows from other fields written out."""
    pattern = "".join("GL"[config.window_of(i) is not None] for i in range(config.n_layers))
    local = "L" in pattern
    return dataclasses.replace(
        config,
        n_kv_heads=config.kv_heads,
        d_head=config.head_width,
        d_ff=config.hidden_width,
        window=config.window if local else None,
        layer_pattern=pattern if local else "G",
        attention_scale=config.attention_scale or config.head_width**-0.5,
        rope_base=config.rope_base if config.position == "rope" else 10_000.0,
    )


def family_of(config_json: dict[str, Any]) -> Family:
    """The family of a config.json, by its model_type. UserError naming the known ones if it is unknown."""
    given = config_json.get("model_type")
    families = {family.model_type: family for family in FAMILIES.all()}
    if given not in families:
        raise UserError(
            f"config.json has model_type {given!r}, which groundup does not know. Known: "
            f"{', '.join(sorted(families))}."
        )
    return families[given]
