"""adapter_config.json, which says how an adapter is to be read and for which model: both ways."""

import math
import re
from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from groundup.errors import UserError
from groundup.text.library import read_json
from groundup.weights.tensors import CONFIG

ADAPTER_CONFIG = "adapter_config.json"
WRITTEN = {"peft_type": "LORA", "bias": "none", "use_rslora": False, "inference_mode": True}
UNDERSTOOD = {
    *("peft_type", "bias", "r", "rank_pattern", "lora_alpha", "alpha_pattern", "use_rslora", "lora_dropout"),
    *("init_lora_weights", "base_model_name_or_path", "revision"),
}
NO_MATTER = {  # they change no result, or say what the names of the tensors say as well
    *("target_modules", "exclude_modules", "layers_pattern", "layers_to_transform", "modules_to_save"),
    *("auto_mapping", "task_type", "inference_mode", "peft_version", "runtime_config", "fan_in_fan_out"),
    *("megatron_core", "eva_config", "qalora_group_size", "ensure_weight_tying"),
}
CHANGES_BASE = ("corda", "loftq", "lora_ga", "olora", "pissa")
"""Ways of starting that change the matrices of the base too: the adapter does not fit the base as it was."""


def is_adapter(folder: Path) -> bool:
    """Whether a folder holds an adapter, and no model of its own."""
    return (folder / ADAPTER_CONFIG).is_file() and not (folder / CONFIG).is_file()


def base_of(folder: Path) -> str:
    """The model that an adapter was made for, as `load` takes it: a folder, "openai:SIZE" or "hf:ORG/NAME".

    UserError if the adapter names none, or a folder that is not there.
    """
    config = read_json(folder / ADAPTER_CONFIG)
    name, revision = config.get("base_model_name_or_path"), config.get("revision")
    remedy = f"Write where it is as base_model_name_or_path into {folder / ADAPTER_CONFIG}."
    if not name or not isinstance(name, str):
        raise UserError(f"The adapter in {folder} does not say for which model it was made. {remedy}")
    if (Path(name).is_dir() and not folder.samefile(name)) or name.startswith(("openai:", "hf:")):
        return name
    if re.fullmatch(r"\w[\w.-]*(/[\w.-]+)?", name):
        return f"hf:{name}@{revision}" if revision else f"hf:{name}"
    raise UserError(f"The adapter in {folder} was made for {name}, and no such model is there. {remedy}")


def name_of_base(source: str) -> dict[str, Any]:
    """The fields that name a base model which was loaded from there: what `base_of` reads."""
    name, _, revision = source.removeprefix("hf:").partition("@" if source.startswith("hf:") else "\0")
    return {"base_model_name_or_path": name or None, "revision": revision or None}


def read_adapter_config(folder: Path) -> dict[str, Any]:
    """adapter_config.json. UserError if the adapter is of a kind that computes something else than LoRA."""
    config = read_json(folder / ADAPTER_CONFIG)
    kind, bias = config.get("peft_type"), config.get("bias", "none")
    start = str(config.get("init_lora_weights")).lower()
    if kind != "LORA":
        refused = f"an adapter of the kind {kind}"
    elif bias != "none":
        refused = f"an adapter with bias {bias!r}"
    elif start.startswith(CHANGES_BASE):
        refused = f"an adapter that also changed its base at the start (init_lora_weights {start!r})"
    else:
        unknown = sorted(name for name in config.keys() - UNDERSTOOD - NO_MATTER if config[name])
        refused = f"an adapter with {unknown[0]}" if unknown else ""
    if refused:
        raise UserError(
            f"{folder} holds {refused}, which groundup does not compute. Choose a plain LoRA adapter, or let "
            f"PEFT merge it: PeftModel.from_pretrained(base, FOLDER).merge_and_unload().save_pretrained(NEW)."
        )
    return config


def alpha_of(config: Mapping[str, Any], name: str, rank: int) -> float:
    """Our alpha (the sum counts alpha / rank times) for their module of that name, which has that rank.

    With rank stabilisation it counts alpha / sqrt(rank) times. Source: Kalajdzievski 2023. UserError if the
    file says another rank.
    """
    said = _by_pattern(config.get("rank_pattern"), name, config.get("r", 8))
    if said != rank:
        raise UserError(
            f"{ADAPTER_CONFIG} says rank {said} for {name}, but its matrices have {rank}. The two files do "
            f"not belong together: get both again."
        )
    alpha = _by_pattern(config.get("alpha_pattern"), name, config.get("lora_alpha", 8))
    if not isinstance(alpha, int | float):
        raise UserError(
            f"{ADAPTER_CONFIG} says lora_alpha {alpha!r} for {name}, which is no number. Mend it."
        )
    return alpha * math.sqrt(rank) if config.get("use_rslora") else alpha


def _by_pattern(patterns: Mapping[str, Any] | None, name: str, usual: Any) -> Any:
    """What the first pattern says that fits the end of the name, as PEFT reads them."""
    found = (value for end, value in (patterns or {}).items() if re.match(rf"(.*\.)?({end})$", name))
    return next(found, usual)


def describe(adapted: Mapping[str, tuple[int, float]], others: Iterable[str]) -> dict[str, Any]:
    """The fields that say which modules are adapted, with which (rank, alpha), and which are not."""
    fields: dict[str, Any] = {"target_modules": shortest_ends(adapted, others)}
    names = [("r", "rank_pattern"), ("lora_alpha", "alpha_pattern")]
    for (field, pattern), values in zip(names, zip(*adapted.values(), strict=True), strict=True):
        by_name = dict(zip(adapted, values, strict=True))
        fields[field] = usual = Counter(values).most_common(1)[0][0]
        fields[pattern] = {
            end: value
            for value in dict.fromkeys(values)
            if value != usual
            for end in shortest_ends(
                [name for name in adapted if by_name[name] == value],
                [name for name in adapted if by_name[name] != value],
            )
        }
    return fields


def shortest_ends(names: Iterable[str], others: Iterable[str]) -> list[str]:
    """Ends of names, as short as they can be without fitting one of the others: c_fc for h.0.mlp.c_fc."""
    taken = [f".{other}" for other in others]
    found: dict[str, None] = {}
    for name in names:
        words = name.split(".")
        ends = (".".join(words[-count:]) for count in range(1, len(words) + 1))
        found[next(end for end in ends if not any(other.endswith(f".{end}") for other in taken))] = None
    return list(found)
