"""Every model's tokenizer behind one small class: text to ids and back.

The truth is `tokenizer.json`, read by Hugging Face's `tokenizers`. Where tiktoken gives the same ids, it does the
work, because it is about ten times faster.
"""

import codecs
import hashlib
import json
import re
from collections.abc import Callable, Collection, Iterable, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import tokenizers
from tokenizers import AddedToken, decoders, models, pre_tokenizers

from groundup.errors import UserError
from groundup.system.files import write_json, write_text
from groundup.text.alphabet import ALPHABET, from_alphabet
from groundup.text.fast import fast_encoder

BORDER = "<|endoftext|>"  # stands before each document
SPECIAL_TOKENS = (BORDER, "<|pad|>", "<|user|>", "<|assistant|>", "<|end|>")


class Tokenizer:
    """Text to ids and back. Make one with `train_bpe` or one of the `from_...` functions.

    `library` is the `tokenizers` object that holds the truth, `config` what stood in tokenizer_config.json.
    """

    def __init__(self, library: tokenizers.Tokenizer, config: dict[str, Any] | None = None):
        self.library = library
        self.library.no_truncation()
        self.library.no_padding()
        # Without this the library would turn "<|endoftext|>" in a user's text into the border token.
        self.library.encode_special_tokens = True
        self.config = config or {}
        self._id_of = library.get_vocab(with_added_tokens=True)
        self._characters_seen = 0
        self.vocab_size = max(self._id_of.values()) + 1  # the ids are below this
        self.special_tokens: dict[str, int] = {
            token.content: id for id, token in library.get_added_tokens_decoder().items() if token.special
        }

    @staticmethod
    def from_folder(folder: Path | str) -> "Tokenizer":
        """Read the tokenizer of a Hugging Face folder. UserError if there is none that can be read."""
        folder = Path(folder)
        config_file = folder / "tokenizer_config.json"
        config = _read_json(config_file) if config_file.exists() else {}
        if (folder / "tokenizer.json").exists():
            return Tokenizer(_read_library(folder / "tokenizer.json"), config)
        if (folder / "merges.txt").exists() and (folder / "vocab.json").exists():
            found = Tokenizer.from_gpt2_files(folder / "merges.txt", folder / "vocab.json")
            return Tokenizer(found.library, {**found.config, **config})
        raise UserError(
            f"There is no tokenizer in {folder}: expected tokenizer.json, or vocab.json with merges.txt. "
            "Give a folder that groundup or transformers saved."
        )

    @staticmethod
    def from_file(tokenizer_json: Path | str) -> "Tokenizer":
        """Read one tokenizer.json."""
        return Tokenizer(_read_library(Path(tokenizer_json)))

    @staticmethod
    def from_gpt2_files(vocab_bpe: Path | str, encoder_json: Path | str) -> "Tokenizer":
        """Read GPT-2's own two files: the merges (vocab.bpe, merges.txt) and the ids (encoder.json, vocab.json)."""
        ids = _read_json(Path(encoder_json))
        try:
            lines = Path(vocab_bpe).read_text(encoding="utf-8").split("\n")
        except (OSError, UnicodeDecodeError) as error:
            raise UserError(
                f"Could not read the merges in {vocab_bpe}: {error}. Download the file again."
            ) from error
        lines = [line for line in lines if line and not line.startswith("#version")]
        merges = [tuple(line.split(" ")) for line in lines]
        bad = next((line for line, pair in zip(lines, merges, strict=True) if len(pair) != 2), None)
        if bad is not None:
            raise UserError(
                f"{vocab_bpe} holds the line {bad[:40]!r}; expected two tokens. Download the file again."
            )
        try:
            model = models.BPE(vocab=ids, merges=merges)
        except Exception as error:  # the library raises no narrower kind
            raise UserError(f"{vocab_bpe} and {encoder_json} do not belong together: {error}.") from error
        return Tokenizer(_byte_level_library(model, [BORDER] if BORDER in ids else []), _config(pad=False))

    @staticmethod
    def from_bytes() -> "Tokenizer":
        """The tokenizer without merges: one id for each byte, after the special tokens."""
        return build_byte_level([])

    @property
    def border_id(self) -> int:
        """The id that stands before each document and ends it: <|endoftext|>, or the model's own bos or eos."""
        for token in (BORDER, self._configured("bos_token"), self._configured("eos_token")):
            if token in self._id_of:
                return self._id_of[token]
        raise UserError(
            "This tokenizer names no token that stands between documents (bos_token or eos_token)."
        )

    @property
    def pad_id(self) -> int | None:
        """The id that fills up short rows, or None where the tokenizer has none."""
        return self._id_of.get(self._configured("pad_token") or "<|pad|>")

    def token_to_id(self, token: str) -> int | None:
        """The id of one token as it is written in tokenizer.json, or None."""
        return self._id_of.get(token)

    def encode(self, text: str, *, allowed_special: Collection[str] = frozenset()) -> list[int]:
        """The ids of a text. Special tokens written in it are ordinary text, but for those in `allowed_special`."""
        if not allowed_special:
            return self._encode_plain(text)
        ids = {token: self._special_id(token) for token in allowed_special}
        # The longest name first, so that one name that begins another does not hide it.
        names = "|".join(re.escape(token) for token in sorted(ids, key=len, reverse=True))
        parts = re.split(f"({names})", text)
        return [
            id for part in parts if part for id in ([ids[part]] if part in ids else self._encode_plain(part))
        ]

    def encode_batch(self, texts: Sequence[str]) -> list[list[int]]:
        """The ids of several texts, on several threads."""
        fast = self._fast_for(sum(map(len, texts)))
        if fast:
            return fast.encode_ordinary_batch(list(texts))
        clean = [_without_surrogates(text) for text in texts]
        return [found.ids for found in self.library.encode_batch_fast(clean, add_special_tokens=False)]

    def decode(self, ids: Iterable[int]) -> str:
        """The text of the ids. Ids without a token (a padded vocabulary) are skipped; broken characters show as "�"."""
        if self.is_byte_level:
            return self.decode_bytes(ids).decode("utf-8", errors="replace")
        known = [id for id in map(int, ids) if self._in_range(id)]
        return self.library.decode(known, skip_special_tokens=False)

    def decode_bytes(self, ids: Iterable[int]) -> bytes:
        """The bytes of the ids: of byte-level tokens their exact ones, which need not be whole characters."""
        if not self.is_byte_level:
            return self.decode(ids).encode("utf-8")
        table = self._bytes_of_id
        return b"".join(table[id] for id in map(int, ids) if self._in_range(id))

    def pieces(self, ids: Iterable[int]) -> list[str]:
        """What each id stands for, to be shown: bytes that are no whole character are written as \\xe2."""
        if self.is_byte_level:
            return [self.decode_bytes([id]).decode("utf-8", errors="backslashreplace") for id in ids]
        return [self.library.id_to_token(int(id)) or "" if self._in_range(int(id)) else "" for id in ids]

    @cached_property
    def is_byte_level(self) -> bool:
        """Whether tokens are written in GPT-2's printable alphabet, so that their exact bytes are known."""
        return isinstance(self.library.decoder, decoders.ByteLevel)

    @cached_property
    def fingerprint(self) -> str:
        """sha256 of what tokenizer.json means: equal for tokenizers that give equal ids, whatever the layout."""
        meaning = json.loads(self.library.to_str())
        merges = meaning["model"].get("merges")
        if merges:  # written as "a b" by older versions of the library
            meaning["model"]["merges"] = [m.split(" ") if isinstance(m, str) else m for m in merges]
        return hashlib.sha256(json.dumps(meaning, sort_keys=True).encode()).hexdigest()

    def save(self, folder: Path | str) -> None:
        """Write tokenizer.json and tokenizer_config.json, which transformers' AutoTokenizer opens with equal ids."""
        write_text(Path(folder) / "tokenizer.json", self.library.to_str(pretty=True) + "\n")
        write_json(Path(folder) / "tokenizer_config.json", self.config)

    def _encode_plain(self, text: str) -> list[int]:
        fast = self._fast_for(len(text))
        if fast:
            return fast.encode_ordinary(text)
        return self.library.encode(_without_surrogates(text), add_special_tokens=False).ids

    def _special_id(self, token: str) -> int:
        if token not in self.special_tokens:
            known = ", ".join(self.special_tokens) or "none"
            raise UserError(f"{token!r} is no special token of this tokenizer. It has: {known}.")
        return self.special_tokens[token]

    def _configured(self, key: str) -> str | None:
        """A token named in tokenizer_config.json, which stands there as a text or as {"content": text}."""
        value = self.config.get(key)
        return value.get("content") if isinstance(value, dict) else value

    def _in_range(self, id: int) -> bool:
        return 0 <= id < self.vocab_size

    def _fast_for(self, characters: int) -> Any:
        """tiktoken's encoder, once there is enough text to be worth preparing it (half a second for GPT-2)."""
        self._characters_seen += characters
        return self._fast if self._characters_seen > 100_000 else None

    @cached_property
    def _fast(self) -> Any:
        """tiktoken's encoder where it gives the same ids as tokenizer.json, else None."""
        return fast_encoder(self.library)

    @cached_property
    def _bytes_of_id(self) -> list[bytes]:
        """The bytes of each id; of an id without a token, none."""
        table = [b""] * self.vocab_size
        for token, id in self._id_of.items():
            table[id] = token.encode("utf-8") if token in self.special_tokens else from_alphabet(token)
        return table


class StreamDecoder:
    """Turns ids into text as they come, and never shows half a character."""

    def __init__(self, tokenizer: Tokenizer):
        self.tokenizer = tokenizer
        self._utf8 = codecs.getincrementaldecoder("utf-8")(errors="replace")
        self._shown: list[int] = []  # the last ids that were shown: what follows can depend on them
        self._held: list[int] = []  # ids that are no whole character yet

    def push(self, id: int) -> str:
        """The text that has become certain with this id; often a whole word, sometimes nothing."""
        if self.tokenizer.is_byte_level:
            return self._utf8.decode(self.tokenizer.decode_bytes([id]))
        self._held.append(id)
        text = self._new_text()
        if text.endswith("\ufffd"):
            return ""
        self._shown, self._held = self._held, []
        return text

    def finish(self) -> str:
        """What is left at the end: a character that stayed incomplete shows as "�"."""
        if self.tokenizer.is_byte_level:
            return self._utf8.decode(b"", final=True)
        text, self._held = self._new_text(), []
        return text

    def _new_text(self) -> str:
        before = self.tokenizer.decode(self._shown)
        return self.tokenizer.decode(self._shown + self._held)[len(before) :]


def build_byte_level(merges: Iterable[tuple[str, str]]) -> Tokenizer:
    """A tokenizer from learned merges: ids for the special tokens, then the 256 bytes, then one for each merge."""
    merges = list(merges)
    tokens = [*SPECIAL_TOKENS, *ALPHABET, *(left + right for left, right in merges)]
    model = models.BPE(vocab={token: id for id, token in enumerate(tokens)}, merges=merges)
    return Tokenizer(_byte_level_library(model, SPECIAL_TOKENS), _config(pad=True))


def _byte_level_library(model: Any, special_tokens: Iterable[str]) -> tokenizers.Tokenizer:
    """GPT-2's way around a model: its split pattern, bytes as printable characters, and back."""
    library = tokenizers.Tokenizer(model)
    library.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)  # type: ignore[assignment]
    library.decoder = decoders.ByteLevel()  # type: ignore[assignment]
    library.add_special_tokens(
        [AddedToken(token, normalized=False, special=True) for token in special_tokens]
    )
    return library


def _config(*, pad: bool) -> dict[str, Any]:
    """tokenizer_config.json for a byte-level tokenizer: the class that takes tokenizer.json as it is."""
    named = {"bos_token": BORDER, "eos_token": BORDER, "unk_token": BORDER}
    if pad:
        named["pad_token"] = "<|pad|>"
    return {"tokenizer_class": "PreTrainedTokenizerFast", **named, "clean_up_tokenization_spaces": False}


def _read_library(path: Path) -> tokenizers.Tokenizer:
    if not path.exists():
        raise UserError(f"There is no file {path}. Give the path of a tokenizer.json.")
    try:
        return tokenizers.Tokenizer.from_file(str(path))
    except Exception as error:  # the library raises no narrower kind
        raise UserError(f"{path} is no tokenizer.json: {error}. Download or save it again.") from error


def _read_json(path: Path) -> dict[str, Any]:
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise UserError(f"Could not read {path}: {error}. Download or save it again.") from error
    if not isinstance(value, dict):
        raise UserError(f"{path} holds no JSON object. Download or save it again.")
    return value


def _without_surrogates(text: str) -> str:
    """Half a surrogate pair is no character and has no UTF-8: it becomes "�", as in tiktoken."""
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
