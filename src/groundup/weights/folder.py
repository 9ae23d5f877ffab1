"""A model's folder in the Hugging Face form: load it, save it. What is written here opens in transformers."""

import os
import warnings
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Generic

import torch
from typing_extensions import TypeVar

from groundup.errors import UserError, did_you_mean
from groundup.model.classifier import Classifier
from groundup.model.config import ModelConfig
from groundup.model.decoder import Decoder
from groundup.model.encoder import Encoder
from groundup.model.lora import lora_layers, merge_lora
from groundup.system.files import whole_folder, write_json, write_text
from groundup.text.library import read_json
from groundup.text.tokenizer import Tokenizer
from groundup.weights.adapter_config import base_of, is_adapter
from groundup.weights.adapters import attach
from groundup.weights.classifiers import (
    head_fields,
    is_classifier,
    labels_of,
    pull_classifier,
    refuse_unpadded,
    with_padding,
)
from groundup.weights.openai import is_openai_folder, openai_config
from groundup.weights.places import fetch_config, fetch_model, is_elsewhere
from groundup.weights.tensors import CONFIG, SHARD_BYTES, read_tensors, write_model_tensors
from groundup.zoo import family_for, family_of

ENDS, GENERATION = "eos_token_id", "generation_config.json"
TRIES = 3  # to load from a run that goes on: each new checkpoint can delete the one that is being read

Model = TypeVar("Model", bound=Decoder | Encoder | Classifier, default=Decoder)


@dataclass
class Loaded(Generic[Model]):
    """A model with all that is needed to use it. Where only `Loaded` is written, its model is a decoder."""

    model: Model
    tokenizer: Tokenizer
    config: ModelConfig
    card: str = ""  # README.md of the folder: where the model comes from, in words
    generation: dict[str, Any] = field(default_factory=dict)  # its generation_config.json, if it has one
    source: str = ""  # where it was loaded from, as `load` takes it
    labels: tuple[str, ...] = ()  # of a classifier: the names of its labels, in the order of its logits

    @property
    def ends(self) -> frozenset[int]:
        """The ids that end an answer: the border, the tokenizer's end, and what its folder names besides.

        A model that chats often has several: Llama 3 ends a text by one, a turn by another.
        """
        named = self.generation.get(ENDS)
        more = {id for id in (named if isinstance(named, list) else [named]) if isinstance(id, int)}
        return frozenset({self.tokenizer.border_id, self.tokenizer.end_id} | more)

    @property
    def device(self) -> torch.device:
        """Where the model's numbers are."""
        return self.model.tokens.weight.device


def need_decoder(loaded: Loaded[Any]) -> None:
    """UserError if the model is no decoder: an encoder cannot say which token comes next."""
    if not isinstance(loaded.model, Decoder):
        raise UserError(
            "This model is an encoder: it reads a whole text at once and cannot say which token comes next. "
            "Choose a decoder, such as a GPT-2 or a Llama."
        )


def load(
    where: Path | str, *, device: torch.device | str | None = None, dtype: torch.dtype | None = None
) -> Loaded[Any]:
    """Load a model from a folder, or from a run (its finished model, else its newest checkpoint).

    Of an adapter's folder the base model that it names is loaded, and the adapter is merged into it.
    where: also "openai:124M" for OpenAI's own GPT-2, and "hf:ORG/NAME" or "hf:ORG/NAME@REVISION" for a model
    on the Hugging Face hub; what is missing of these is downloaded, with progress on stderr. config.json says
    whether the model is a Decoder or an Encoder; an encoder whose file has no pooler is loaded without one,
    and a warning says so.

    dtype: what to compute in; by default float32. UserError for whatever is wrong with the folder, and for a
    classifier. A run may go on meanwhile: if it deletes the checkpoint that is being read, its newest is
    taken instead.
    """
    loaded = _load(where, device, dtype)
    if isinstance(loaded.model, Classifier):
        raise UserError(
            f"{where} is a classifier: it sorts texts into {', '.join(loaded.labels)}, and can do nothing "
            f'else. Sort with it: groundup classify {where} "text".'
        )
    return loaded


def load_classifier(
    where: Path | str, *, device: torch.device | str | None = None, dtype: torch.dtype | None = None
) -> Loaded[Classifier]:
    """The same for a model with a head that sorts texts, or an adapter with one. UserError for any other."""
    loaded = _load(where, device, dtype)
    if not isinstance(loaded.model, Classifier):
        raise UserError(
            f"{where} has no head that sorts texts. Teach it one with groundup finetune, or choose a model "
            f"that transformers opens as AutoModelForSequenceClassification."
        )
    return loaded


def _load(where: Path | str, device: torch.device | str | None, dtype: torch.dtype | None) -> Loaded[Any]:
    for _ in range(TRIES):
        folder = model_folder(where)
        try:
            loaded = _load_folder(folder, device, dtype)
            loaded.source = str(where) if is_elsewhere(where) else str(folder.resolve())
            return loaded
        except (UserError, OSError) as error:
            if not folder.is_dir():  # deleted by the run, which renames it first: it is gone as a whole
                continue
            if isinstance(error, UserError):
                raise
            raise UserError(f"Could not read {folder} ({error}). Change its permissions.") from error
    raise UserError(
        f"The checkpoints of {where} were deleted while they were read, {TRIES} times. Try again later."
    )


def _load_folder(folder: Path, device: torch.device | str | None, dtype: torch.dtype | None) -> Loaded[Any]:
    if is_adapter(folder):
        return _load_merged(folder, device, dtype)
    config_json = _config_json(folder)
    family = family_of(config_json)
    config = family.read(config_json)
    # Read before what must be there: a folder that is deleted meanwhile cannot pass for one without a card.
    readme, speaking = folder / "README.md", folder / GENERATION
    card = readme.read_text(encoding="utf-8") if readme.exists() else ""
    generation = read_json(speaking) if speaking.exists() else {}
    if isinstance(config_json.get(ENDS), list):  # some models list their several ends only here
        generation.setdefault(ENDS, config_json[ENDS])
    labels = labels_of(config_json) if is_classifier(config_json) else ()
    with torch.device("meta"):
        model = family.model(config)
        if labels:
            model = Classifier(model, len(labels), config_json.get("classifier_dropout"))
    model = model.to(dtype or torch.float32).to_empty(device=device or "cpu")
    if isinstance(model, Classifier):
        pull_classifier(model, read_tensors(folder), family)
        tokenizer = _tokenizer(folder, config)
        refuse_unpadded(config_json, tokenizer)
        return Loaded(model.eval(), tokenizer, config, card, labels=labels)
    if isinstance(model, Decoder):
        model.tie()
    family.table.pull(model, read_tensors(folder), tied=config.tie_embeddings)
    missing = [name for name in family.table.optional if getattr(model, name) is None]
    if missing:
        warnings.warn(f"The weights have no {', '.join(missing)}: the model does without.")
    return Loaded(model.eval(), _tokenizer(folder, config), config, card, generation)


def _tokenizer(folder: Path, config: ModelConfig) -> Tokenizer:
    tokenizer = Tokenizer.from_folder(folder)
    if tokenizer.vocab_size > config.vocab_size:
        raise UserError(
            f"The tokenizer in {folder} has {tokenizer.vocab_size} tokens, but the model knows only "
            f"{config.vocab_size}. They belong to different models."
        )
    return tokenizer


def _load_merged(folder: Path, device: torch.device | str | None, dtype: torch.dtype | None) -> Loaded[Any]:
    """The base model of an adapter with what it learned, and the tokenizer that lies beside the adapter."""
    base = base_of(folder)
    try:
        loaded = _load(base, device, dtype)
    except UserError as error:
        raise UserError(f"The base model of the adapter in {folder} cannot be loaded: {error}") from error
    merge_lora(attach(loaded, folder).model)
    if (folder / "tokenizer.json").is_file():
        loaded.tokenizer = _tokenizer(folder, loaded.config)
    told = f"The LoRA adapter {folder.name} is merged into these weights of {Path(base).name}.\n"
    loaded.card = f"{loaded.card}\n{told}" if loaded.card else told
    return loaded


def save(folder: Path | str, loaded: Loaded[Any]) -> Path:
    """Save a model as a Hugging Face folder, whole or not at all. Returns the folder."""
    with whole_folder(folder) as part:
        write_model(part, loaded)
    return Path(folder)


def write_model(
    folder: Path,
    loaded: Loaded[Any],
    *,
    dtype: torch.dtype | None = None,
    shard_bytes: float = SHARD_BYTES,
) -> None:
    """Write the files of a model into a folder: config, weights, tokenizer, how to generate, card.

    dtype: what to write the weights as; by default as they are. shard_bytes: no file of weights is larger.
    """
    model, config, tokenizer = loaded.model, loaded.config, loaded.tokenizer
    if lora_layers(model):
        raise UserError(
            "A model with LoRA beside it is no plain one. Call merge_lora, or adapters.save, first."
        )
    body, parts = (model.model, model.parts()) if isinstance(model, Classifier) else (model, model)
    family = family_for(config, type(body))
    written_as = str(dtype or model.tokens.weight.dtype).removeprefix("torch.")
    ends: dict[str, Any] = {}
    if isinstance(body, Decoder):
        named = loaded.generation.get(ENDS)
        ends = {"bos_token_id": tokenizer.begin_id, ENDS: tokenizer.end_id if named is None else named}
    if tokenizer.pad_id is not None:
        ends["pad_token_id"] = tokenizer.pad_id
    if isinstance(model, Classifier):
        tokenizer = with_padding(tokenizer)
        ends |= head_fields(model, loaded.labels, tokenizer, family)
    head = {
        "architectures": [family.architecture],
        "model_type": family.model_type,
        "dtype": written_as,
        "torch_dtype": written_as,
    }
    write_json(folder / CONFIG, {**head, **family.write(config), **ends})
    if isinstance(model, Decoder):
        how = {"do_sample": True, "temperature": 0.8, "top_k": 50}
        write_json(folder / GENERATION, loaded.generation or {**ends, **how})
    tensors = family.table.push(parts, tied=config.tie_embeddings)
    write_model_tensors(folder, tensors, dtype=dtype, shard_bytes=shard_bytes)
    tokenizer.save(folder)
    if loaded.card:
        write_text(folder / "README.md", loaded.card)


def model_folder(where: Path | str) -> Path:
    """The folder that holds config.json: `where` itself, or the best place inside a run's folder.

    A model that lies elsewhere is fetched. A folder of OpenAI's GPT-2 has hparams.json instead. One of
    sentence-transformers may keep the transformer, the first of its parts, in a folder such as 0_Transformer.
    """
    if is_elsewhere(where):
        return fetch_model(where)
    folder = Path(where)
    if not os.path.exists(folder):  # unlike Path.exists, it also answers for a name that no folder can have
        near = folder.parent.iterdir() if os.path.isdir(folder.parent) else ()
        others = (path.name for path in near if path.is_dir())
        raise UserError(
            f"There is no folder {folder}.{did_you_mean(folder.name, others)} "
            f"Give a model's or a run's folder."
        )
    first_part = next(folder.glob(f"0_*/{CONFIG}"), None) if (folder / "modules.json").is_file() else None
    if first_part is not None:
        return first_part.parent
    if (folder / CONFIG).is_file() or is_openai_folder(folder) or is_adapter(folder):
        return folder
    if (folder / "model" / CONFIG).is_file() or is_adapter(folder / "model"):
        return folder / "model"
    kept = checkpoints(folder / "checkpoints")
    if kept:
        return kept[-1]
    raise UserError(
        f"{folder} holds no model: neither config.json nor a checkpoint. "
        f"Give a model's folder, or a run's that has saved something."
    )


def read_config(where: Path | str) -> ModelConfig:
    """The configuration of a model that is not loaded; of one that lies elsewhere only that is fetched."""
    if not is_elsewhere(where) and is_adapter(folder := model_folder(where)):
        return read_config(base_of(folder))
    config_json = fetch_config(where) if is_elsewhere(where) else _config_json(model_folder(where))
    return family_of(config_json).read(config_json)


def _config_json(folder: Path) -> dict[str, Any]:
    """What config.json says, or would say of OpenAI's GPT-2."""
    if is_openai_folder(folder) and not (folder / CONFIG).is_file():
        return openai_config(folder)
    return read_json(folder / CONFIG)


def checkpoints(folder: Path) -> list[Path]:
    """The checkpoints in a folder, oldest first; what has another form of name is somebody's own."""
    named = (path for path in folder.glob("step-*") if path.name.removeprefix("step-").isdecimal())
    return sorted(named, key=lambda path: int(path.name.removeprefix("step-")))
