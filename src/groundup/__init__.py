"""groundup: a language-model workshop. The public names, each loaded when it is first used.

`import groundup` itself costs nothing; `groundup.Decoder` imports torch.
"""

import importlib
import importlib.metadata
from typing import TYPE_CHECKING, Any

_HOMES = {
    "Batches": "data.batches",
    "Decoder": "model.decoder",
    "Encoder": "model.encoder",
    "Loaded": "weights.folder",
    "Method": "methods",
    "ModelConfig": "model.config",
    "Order": "data.order",
    "RopeScaling": "model.config",
    "TokenWindows": "data.windows",
    "Tokenizer": "text.tokenizer",
    "UserError": "errors",
    "add_lora": "model.lora",
    "evaluate": "tasks",
    "generate": "generation.engine",
    "load": "weights.folder",
    "merge_lora": "model.lora",
    "save": "weights.folder",
    "train": "training.loop",
    "train_bpe": "text.bpe",
}

__all__ = list(_HOMES)  # pyright: ignore[reportUnsupportedDunderAll]

if TYPE_CHECKING:  # The same names once more, for editors and type checkers; a test compares the two.
    from groundup.data.batches import Batches as Batches
    from groundup.data.order import Order as Order
    from groundup.data.windows import TokenWindows as TokenWindows
    from groundup.errors import UserError as UserError
    from groundup.generation.engine import generate as generate
    from groundup.methods import Method as Method
    from groundup.model.config import ModelConfig as ModelConfig
    from groundup.model.config import RopeScaling as RopeScaling
    from groundup.model.decoder import Decoder as Decoder
    from groundup.model.encoder import Encoder as Encoder
    from groundup.model.lora import add_lora as add_lora
    from groundup.model.lora import merge_lora as merge_lora
    from groundup.tasks import evaluate as evaluate
    from groundup.text.bpe import train_bpe as train_bpe
    from groundup.text.tokenizer import Tokenizer as Tokenizer
    from groundup.training.loop import train as train
    from groundup.weights.folder import Loaded as Loaded
    from groundup.weights.folder import load as load
    from groundup.weights.folder import save as save


def __getattr__(name: str) -> Any:
    """The public name `name`, imported on first use."""
    if name == "__version__":
        return importlib.metadata.version("groundup")
    if name not in _HOMES:
        raise AttributeError(f"module 'groundup' has no attribute {name!r}")
    value = getattr(importlib.import_module(f"groundup.{_HOMES[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *_HOMES})
