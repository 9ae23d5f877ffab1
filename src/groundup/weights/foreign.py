"""Models in single files of other projects: nanoGPT, LLMs-from-scratch and llama2.c."""

import zipfile
from collections.abc import Callable
from pathlib import Path

from torch import Tensor

from groundup.errors import UserError
from groundup.text.known import gpt2_tokenizer
from groundup.text.llama2c import read_llama2c_tokenizer
from groundup.text.tokenizer import Tokenizer
from groundup.weights.folder import Loaded
from groundup.weights.llama2c import read_llama2c
from groundup.weights.memory import take_memory
from groundup.weights.state_dicts import Foreign, fill, read_state_dict

GPT2_VOCABULARIES = (50_257, 50_304)  # as it is, and padded to a multiple of 128 as nanoGPT does


def load_foreign(
    path: Path | str,
    *,
    tokenizer: Path | None = None,
    n_heads: int | None = None,
    tell: Callable[[str], None] | None = None,
) -> Loaded:
    """Load one file: a nanoGPT checkpoint, a state dict of LLMs-from-scratch or of ours, or a llama2.c model.

    tokenizer: a folder, a tokenizer.json or a tokenizer.bin of llama2.c; by default what lies beside the
    file, else GPT-2's where the vocabulary has its size. n_heads: for files that do not say it. tell: is
    given one line for each thing that was assumed, added or left out; the card of the model says them too.
    UserError, in one line, for whatever is wrong with the file; no code in it is ever executed.
    """
    return _load(Path(path), tokenizer, n_heads, tell, with_memory=False)[0]


def load_with_memory(
    path: Path | str,
    *,
    tokenizer: Path | None = None,
    n_heads: int | None = None,
    tell: Callable[[str], None] | None = None,
) -> tuple[Loaded, dict[str, Tensor]]:
    """The same, and what its AdamW remembers (see weights.memory): empty if nothing can be taken over."""
    return _load(Path(path), tokenizer, n_heads, tell, with_memory=True)


def refuse_options_of_files(where: Path | str, tokenizer: Path | None, n_heads: int | None) -> None:
    """UserError if a folder is given what only a single file can lack."""
    if tokenizer or n_heads:
        raise UserError(
            f"--tokenizer and --heads are for a single file, but {where} is a folder. Leave them out."
        )


def _load(
    path: Path,
    tokenizer: Path | None,
    n_heads: int | None,
    tell: Callable[[str], None] | None,
    with_memory: bool,
) -> tuple[Loaded, dict[str, Tensor]]:
    foreign = _read(path, n_heads)
    found = _tokenizer(path, foreign, tokenizer)
    if found.vocab_size > foreign.config.vocab_size:
        raise UserError(
            f"The tokenizer has {found.vocab_size} tokens, but {path} only {foreign.config.vocab_size}. "
            f"They belong to different models: give the model's own with --tokenizer."
        )
    model = fill(foreign, path)
    memory = take_memory(foreign, path) if with_memory else {}
    foreign.notes += foreign.left_out()
    for note in foreign.notes:
        if tell:
            tell(note)
    card = f"# {path.stem}\n\nImported from {path.name}, a model of {foreign.origin}.\n"
    card += "".join(f"\n- {note}" for note in foreign.notes) + "\n" * bool(foreign.notes)
    return Loaded(model, found, foreign.config, card), memory


def _read(path: Path, n_heads: int | None) -> Foreign:
    if not path.is_file():
        raise UserError(f"There is no file {path}. Give a .pt or .pth file, or a .bin of llama2.c.")
    try:
        with open(path, "rb") as file:
            start = file.read(4)
    except OSError as error:
        raise UserError(f"Could not read {path} ({error}). Change its permissions.") from None
    if not start:
        raise UserError(f"{path} is empty. Get it again.")
    # A pickle begins with 0x80 and its version. A llama2.c model that is 640 wide begins so too, but with two
    # zeros behind, which no pickle has there.
    is_pickle = start[0] == 0x80 and start[2:] != b"\0\0"
    if zipfile.is_zipfile(path) or is_pickle or path.suffix in (".pt", ".pth", ".ckpt"):
        return read_state_dict(path, n_heads)
    if start == b"GGUF":
        raise UserError(f"{path} is a GGUF file, which can be written here but not read. Give another form.")
    return read_llama2c(path)


def _tokenizer(path: Path, foreign: Foreign, given: Path | None) -> Tokenizer:
    size = foreign.config.vocab_size
    beside = [path.with_name(name) for name in (f"tok{size}.bin", "tokenizer.bin", "tokenizer.json")]
    place = given or next((file for file in beside if file.is_file()), None)
    if place is not None:
        if place.suffix == ".bin":
            return read_llama2c_tokenizer(place)
        return Tokenizer.from_folder(place) if place.is_dir() else Tokenizer.from_file(place)
    if size in GPT2_VOCABULARIES:
        return gpt2_tokenizer()
    wanted = beside[0].name if foreign.origin == "llama2.c" else "tokenizer.json"
    raise UserError(
        f"{path} brings no tokenizer for its {size:,} tokens. Put its {wanted} beside it, or give its place "
        f"with --tokenizer."
    )
