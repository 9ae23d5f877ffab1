"""Every model's tokenizer behind one small class: text to ids and back.

The truth is `tokenizer.json`, read by Hugging Face's `tokenizers`. Where tiktoken gives the same ids, it does
the work, because it is about ten times faster.
"""

import codecs
import os
from collections.abc import Collection, Iterable, Sequence
from functools import cached_property
from itertools import accumulate
from pathlib import Path
from typing import Any

import tokenizers
from tokenizers import decoders

from groundup.errors import UserError
from groundup.system.files import write_json, write_text
from groundup.text.alphabet import ALPHABET, from_alphabet, without_surrogates
from groundup.text.fast import fast_encoder, has_long_run
from groundup.text.library import (
    byte_level_bpe,
    encoding_errors,
    fingerprint_of,
    for_plain_text,
    read_gpt2_files,
    read_tokenizer_json,
    what_is_missing,
)
from groundup.text.parts import PartEncoder, split_at_names
from groundup.text.patterns import split_pattern
from groundup.text.stored import BORDER, CONFIG, add_later_tokens, name_of, read_settings, read_word_pieces
from groundup.text.templates import GROUNDUP

PAD = "<|pad|>"
SPECIAL_TOKENS = (BORDER, PAD, "<|user|>", "<|assistant|>", "<|end|>")  # of the tokenizers trained here

WORTH_PREPARING = 100_000  # characters; preparing tiktoken takes half a second for GPT-2's 50,000 merges


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
        self._characters_seen = 0
        self._id_of = library.get_vocab(with_added_tokens=True)
        self.vocab_size = max(self._id_of.values()) + 1  # every id is below this
        added = library.get_added_tokens_decoder().items()
        self.special_tokens: dict[str, int] = {token.content: id for id, token in added if token.special}

    @staticmethod
    def from_folder(folder: Path | str) -> "Tokenizer":
        """Read the tokenizer of a Hugging Face folder. UserError if there is none that can be read."""
        folder, config = Path(folder), read_settings(Path(folder))
        if os.path.exists(folder / "tokenizer.json"):
            return Tokenizer(read_tokenizer_json(folder / "tokenizer.json"), config)
        for merges, ids in (("merges.txt", "vocab.json"), ("vocab.bpe", "encoder.json")):  # OpenAI's names
            if os.path.exists(folder / merges) and os.path.exists(folder / ids):
                old_kind = Tokenizer.from_gpt2_files(folder / merges, folder / ids)
                add_later_tokens(old_kind.library, folder, config)
                return Tokenizer(old_kind.library, {**old_kind.config, **config})
        if os.path.exists(folder / "vocab.txt"):
            return Tokenizer(*read_word_pieces(folder / "vocab.txt", config))
        raise UserError(f"There is no tokenizer in {folder}: {what_is_missing(folder)}")

    @staticmethod
    def from_file(tokenizer_json: Path | str) -> "Tokenizer":
        """Read one tokenizer.json."""
        return Tokenizer(read_tokenizer_json(Path(tokenizer_json)))

    @staticmethod
    def from_gpt2_files(vocab_bpe: Path | str, encoder_json: Path | str) -> "Tokenizer":
        """Read GPT-2's own two files, or a pair of merges.txt and vocab.json, which have the same form."""
        return Tokenizer(read_gpt2_files(Path(vocab_bpe), Path(encoder_json), BORDER), dict(CONFIG))

    @staticmethod
    def from_merges(merges: Iterable[tuple[str, str]], *, pattern: str = "gpt2") -> "Tokenizer":
        """From learned merges: ids for the special tokens, then the 256 bytes, then one for each merge.

        pattern: how texts are cut into pieces, "gpt2" or "gpt4". UserError for any other.
        """
        merges = list(merges)
        tokens = [*SPECIAL_TOKENS, *ALPHABET, *(left + right for left, right in merges)]
        ids = {token: id for id, token in enumerate(tokens)}
        library = byte_level_bpe(ids, merges, SPECIAL_TOKENS, split_pattern(pattern))
        return Tokenizer(library, {**CONFIG, "pad_token": PAD, "chat_template": GROUNDUP})

    @staticmethod
    def from_bytes() -> "Tokenizer":
        """The tokenizer without merges: one id for each byte, after the special tokens."""
        return Tokenizer.from_merges([])

    @property
    def border_id(self) -> int:
        """The id that stands before each document and ends it: <|endoftext|>, else the model's bos or eos."""
        for token in (BORDER, self._configured("bos_token"), self._configured("eos_token")):
            if token in self._id_of:
                return self._id_of[token]
        raise UserError(
            "This tokenizer has no token to stand between documents. Name one as bos_token in its "
            "tokenizer_config.json."
        )

    @property
    def begin_id(self) -> int:
        """The id that begins a text by the model's own word, its bos; where it has none, the border."""
        return self._id_of.get(self._configured("bos_token") or "", self.border_id)

    @property
    def end_id(self) -> int:
        """The id that ends a text by the model's own word, its eos; where it has none, the border."""
        return self._id_of.get(self._configured("eos_token") or "", self.border_id)

    @property
    def pad_id(self) -> int | None:
        """The id that fills up short rows, or None where the tokenizer has none."""
        return self._id_of.get(self._configured("pad_token") or PAD)

    def token_to_id(self, token: str) -> int | None:
        """The id of one token as it is written in tokenizer.json, or None."""
        return self._id_of.get(token)

    def encode(self, text: str, *, allowed_special: Collection[str] = frozenset()) -> list[int]:
        """The ids of a text. A special token in it is ordinary text, unless `allowed_special` names it."""
        if not allowed_special:
            return self._encode_plain(text)
        ids = {token: self._special_id(token) for token in allowed_special}
        parts = split_at_names(text, [*ids])
        if not self.is_byte_level:
            return self.encode_parts(parts)[0]
        return [id for words, is_id in parts for id in ([ids[words]] if is_id else self._encode_plain(words))]

    def encode_parts(self, parts: Sequence[tuple[str, bool]]) -> tuple[list[int], list[tuple[int, int]]]:
        """The ids of a text in parts, and for each id the first and the last part that it stands in.

        True says that a part is a special token by its name; no other part becomes one, nor several together.
        """
        return self._part_encoder.encode(parts)

    def encode_batch(self, texts: Sequence[str]) -> list[list[int]]:
        """The ids of several texts: with tiktoken one after the other, else on several threads."""
        fast = self._fast_for(sum(map(len, texts)))
        if fast and not any(map(has_long_run, texts)):
            # A thread for each short text costs more than the text: one by one is up to five times as fast.
            return [fast.encode_ordinary(text) for text in texts]
        clean = [without_surrogates(text) for text in texts]
        with encoding_errors():
            return [found.ids for found in self._reader.encode_batch_fast(clean, add_special_tokens=False)]

    def encode_framed(self, text: str, second: str | None = None) -> tuple[list[int], list[int]]:
        """A text, or a pair of texts, as its model reads it: (ids, segments), equally many.

        What the tokenizer's template says stands around them: of BERT, [CLS] first and [SEP] behind each. The
        segment of an id is 0 in the first text and 1 in the second. Names of special tokens are plain text.
        """
        behind = None if second is None else without_surrogates(second)
        with encoding_errors():
            framed = self._reader.encode(without_surrogates(text), behind)
        return framed.ids, framed.type_ids

    def ends(self, text: str) -> list[int]:
        """Where each token ends in the text, in characters; one place for each id that `encode` gives.

        A space that belongs to no token is counted to the next one. Tokens that are parts of one character
        all end behind it.
        """
        with encoding_errors():
            offsets = self._reader.encode(without_surrogates(text), add_special_tokens=False).offsets
        return list(accumulate((end for _, end in offsets), max))

    def decode(self, ids: Iterable[int]) -> str:
        """The text of the ids. Ids without a token (padding) are skipped; half a character shows as "�"."""
        if self.is_byte_level:
            return self.decode_bytes(ids).decode("utf-8", errors="replace")
        return self.library.decode(self._in_range(ids), skip_special_tokens=False)

    def decode_bytes(self, ids: Iterable[int]) -> bytes:
        """The bytes of the ids: of byte-level tokens their exact ones, which need not be whole characters."""
        if not self.is_byte_level:
            return self.decode(ids).encode("utf-8")
        return b"".join(self._bytes_of_id[id] for id in self._in_range(ids))

    def pieces(self, ids: Iterable[int]) -> list[str]:
        """What each id stands for, to be shown: bytes that are no whole character are written as \\xe2."""
        return [self._piece(id) for id in map(int, ids)]

    @cached_property
    def is_byte_level(self) -> bool:
        """Whether tokens are written in GPT-2's printable alphabet, so that their exact bytes are known."""
        return isinstance(self.library.decoder, decoders.ByteLevel)

    @cached_property
    def fingerprint(self) -> str:
        """sha256 of what tokenizer.json means, whatever its layout: the same for equal tokenizers."""
        return fingerprint_of(self.library)

    def save(self, folder: Path | str) -> None:
        """Write tokenizer.json and tokenizer_config.json: transformers' AutoTokenizer gives equal ids."""
        write_text(Path(folder) / "tokenizer.json", self.library.to_str(pretty=True) + "\n")
        write_json(Path(folder) / "tokenizer_config.json", self.config)

    def _piece(self, id: int) -> str:
        if not self._in_range([id]):
            return ""
        if self.is_byte_level:
            return self._bytes_of_id[id].decode("utf-8", errors="backslashreplace")
        return self.library.id_to_token(id) or ""

    def _encode_plain(self, text: str) -> list[int]:
        fast = self._fast_for(len(text))
        if fast and not has_long_run(text):
            return fast.encode_ordinary(text)
        with encoding_errors():
            return self._reader.encode(without_surrogates(text), add_special_tokens=False).ids

    def _special_id(self, token: str) -> int:
        if token not in self.special_tokens:
            known = ", ".join(self.special_tokens) or "none"
            raise UserError(
                f"{token!r} is no special token of this tokenizer. Choose of those it has: {known}."
            )
        return self.special_tokens[token]

    def _configured(self, key: str) -> str | None:
        """A token named in tokenizer_config.json."""
        return name_of(self.config.get(key))

    def _in_range(self, ids: Iterable[int]) -> list[int]:
        return [id for id in map(int, ids) if 0 <= id < self.vocab_size]

    def _fast_for(self, characters: int) -> Any:
        """tiktoken's encoder, once there has been text enough to be worth preparing it."""
        self._characters_seen += characters
        return self._fast if self._characters_seen >= WORTH_PREPARING else None

    @cached_property
    def _fast(self) -> Any:
        """tiktoken's encoder where it gives the same ids as tokenizer.json, else None."""
        return fast_encoder(self.library)

    @cached_property
    def _reader(self) -> tokenizers.Tokenizer:
        """The library that encodes; its own object, unless a text could spell a special token there."""
        return for_plain_text(self.library)

    @cached_property
    def _part_encoder(self) -> PartEncoder:
        return PartEncoder(self.library, self._reader)

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
        if not text or text.endswith("\ufffd"):
            return ""  # a token without text, too, is held: it does not say how the next one begins
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
        together = self.tokenizer.decode(self._shown + self._held)
        # Bytes that are no text turn the character before them into "�" as well, which is shown already.
        return together[len(before) :] if together.startswith(before) else self.tokenizer.decode(self._held)
