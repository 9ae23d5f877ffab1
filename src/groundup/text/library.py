"""Read and build the objects of Hugging Face's `tokenizers`; one line for each thing that can be wrong."""

import hashlib
import json
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, pre_tokenizers

from groundup.errors import UserError
from groundup.text.patterns import GPT2, SplitPattern

LARGEST_VOCABULARY = 10_000_000  # ids; a broken file could ask for more memory than there is
OTHER_FORMS = {
    "tokenizer.model": "the form of SentencePiece",
    "spiece.model": "the form of SentencePiece",
}


def byte_level_bpe(
    ids: Mapping[str, int],
    merges: Sequence[tuple[str, str]],
    special_tokens: Iterable[str],
    pattern: SplitPattern = GPT2,
) -> Tokenizer:
    """GPT-2's kind of tokenizer: pieces, their bytes as printable characters, merges, and back.

    `ids` also has the special tokens. ValueError if a merge names a token that has no id.
    """
    try:
        model = models.BPE(vocab=dict(ids), merges=list(merges))
    except Exception as error:  # the library raises no narrower kind
        raise ValueError(str(error).splitlines()[0]) from error  # the others are its inner causes
    library = Tokenizer(model)
    # The library knows GPT-2's pattern by itself; written so, every program that reads the file knows it too.
    library.pre_tokenizer = (
        pre_tokenizers.ByteLevel(add_prefix_space=False)
        if pattern is GPT2
        else pre_tokenizers.Sequence(
            [
                pre_tokenizers.Split(Regex(pattern.piece.pattern), behavior="isolated"),
                pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
            ]
        )
    )
    library.decoder = decoders.ByteLevel()
    library.add_special_tokens(
        [AddedToken(token, normalized=False, special=True) for token in special_tokens]
    )
    return library


def read_gpt2_files(vocab_bpe: Path, encoder_json: Path, special_token: str) -> Tokenizer:
    """GPT-2's two files: the merges (vocab.bpe or merges.txt) and the ids (encoder.json or vocab.json)."""
    ids = read_json(encoder_json)
    try:
        lines = vocab_bpe.read_text(encoding="utf-8").split("\n")
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"Could not read {vocab_bpe}: {error}. Download it again.") from error
    merges = []
    for number, line in enumerate(lines, 1):
        if not line or line.startswith("#version"):
            continue
        left, _, right = line.partition(" ")
        if not left or not right or " " in right:
            raise UserError(
                f"Line {number} of {vocab_bpe} is {line[:40]!r}; expected two tokens. Download it again."
            )
        merges.append((left, right))
    try:
        return byte_level_bpe(ids, merges, [special_token] if special_token in ids else [])
    except (ValueError, TypeError) as error:
        raise UserError(
            f"{vocab_bpe} and {encoder_json} do not belong together: {error}. Download both again."
        ) from error


def read_tokenizer_json(path: Path) -> Tokenizer:
    """A tokenizer.json, whatever its kind."""
    if not path.exists():
        raise UserError(f"There is no file {path}. Give the path of a tokenizer.json.")
    try:
        library = Tokenizer.from_file(str(path))
    except Exception as error:  # the library raises no narrower kind
        raise UserError(
            f"{path} is no proper tokenizer.json: {error}. Delete it, or get it again."
        ) from error
    highest = max(library.get_vocab(with_added_tokens=True).values(), default=-1)
    if not 0 <= highest < LARGEST_VOCABULARY:
        wrong = "it has no tokens" if highest < 0 else f"its highest id is {highest:,}"
        raise UserError(f"{path} is no proper tokenizer.json: {wrong}. Delete it, or get it again.")
    return library


def what_is_missing(folder: Path) -> str:
    """What a folder without a tokenizer should hold, and how to get there from what it does hold."""
    expected = "expected tokenizer.json, vocab.json with merges.txt, or vocab.txt."
    for name, kind in OTHER_FORMS.items():
        if os.path.exists(folder / name):
            return (
                f"{expected} It has {name} ({kind}). Open it once with transformers and save it: "
                "AutoTokenizer.from_pretrained(FOLDER).save_pretrained(FOLDER) writes tokenizer.json."
            )
    return f"{expected} Give a folder that groundup or transformers saved."


def for_plain_text(library: Tokenizer) -> Tokenizer:
    """The object that encodes texts: the same, or a copy in which no text can spell a special token.

    BPE builds tokens up from characters, so one that no merge makes never comes about. The other kinds look
    whole words up in their vocabulary, and would find "[SEP]" or "</s>" there by name. In the copy these
    names have a space at each end, and such models never see a space.
    """
    if isinstance(library.model, models.BPE):
        return library
    description = json.loads(library.to_str())
    model, added = description["model"], description["added_tokens"]
    names = {token["content"] for token in added if token["special"]} - {model.get("unk_token")}
    new_name = {name: f" {name} " for name in names}
    if isinstance(model["vocab"], dict):
        model["vocab"] = {new_name.get(token, token): id for token, id in model["vocab"].items()}
    else:  # Unigram has pairs of a token and its log-probability
        model["vocab"] = [[new_name.get(token, token), value] for token, value in model["vocab"]]
    for token in added:
        token["content"] = new_name.get(token["content"], token["content"])
    copy = Tokenizer.from_str(json.dumps(description))
    copy.encode_special_tokens = True
    return copy


def fingerprint_of(library: Tokenizer) -> str:
    """sha256 of what tokenizer.json means, whatever its layout: the same for equal tokenizers."""
    meaning = json.loads(library.to_str())
    merges = meaning["model"].get("merges")
    if merges:  # written as "a b" by older versions of the library
        meaning["model"]["merges"] = [m.split(" ") if isinstance(m, str) else m for m in merges]
    return hashlib.sha256(json.dumps(meaning, sort_keys=True).encode()).hexdigest()


@contextmanager
def encoding_errors() -> Iterator[None]:
    """The library stops at a text that its vocabulary has no token for, if it has none for the unknown."""
    try:
        yield
    except Exception as error:  # the library raises no narrower kind
        raise UserError(
            f"This tokenizer cannot express the text: {error}. Choose one with an unknown token or bytes."
        ) from error


def read_json(path: Path) -> dict[str, Any]:
    """A JSON file that holds an object."""
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise UserError(f"Could not read {path}: {error}. Delete it, or get it again.") from error
    if not isinstance(value, dict):
        raise UserError(f"{path} holds no JSON object. Delete it, or get it again.")
    return value
