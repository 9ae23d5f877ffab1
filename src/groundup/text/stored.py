"""What a tokenizer's folder holds beside tokenizer.json: settings, chat templates, BERT's vocab.txt."""

import os
from pathlib import Path
from typing import Any

from tokenizers import AddedToken, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors

from groundup.errors import UserError
from groundup.text.library import read_json

BORDER = "<|endoftext|>"  # stands before each document
CONFIG = {
    "tokenizer_class": "PreTrainedTokenizerFast",
    "bos_token": BORDER,
    "eos_token": BORDER,
    "unk_token": BORDER,
    "clean_up_tokenization_spaces": False,
}
"""For tokenizer_config.json: the class of transformers that takes tokenizer.json as it is."""
CHAT, MORE_CHATS = "chat_template.jinja", "additional_chat_templates"  # as transformers 5 writes them
BERT_NAMES = {
    "unk_token": "[UNK]",
    "cls_token": "[CLS]",
    "sep_token": "[SEP]",
    "pad_token": "[PAD]",
    "mask_token": "[MASK]",
}
"""What BERT's special tokens are called where tokenizer_config.json does not say."""


def read_settings(folder: Path) -> dict[str, Any]:
    """tokenizer_config.json, completed by the files that other versions of transformers write beside it."""
    # os.path.exists, unlike Path.exists, also answers for a name that no folder can have.
    files = (folder / "tokenizer_config.json", folder / "special_tokens_map.json")
    settings, names = (read_json(file) if os.path.exists(file) else {} for file in files)
    # Older folders name their special tokens in the second file only.
    settings |= {key: name for key, name in names.items() if settings.get(key) is None}
    return settings | _chat_templates(folder)


def name_of(token: Any) -> str | None:
    """A token of tokenizer_config.json, which stands there as a text or as {"content": text}."""
    name = token.get("content") if isinstance(token, dict) else token
    return name if isinstance(name, str) else None


def read_word_pieces(vocab_txt: Path, settings: dict[str, Any]) -> tuple[Tokenizer, dict[str, Any]]:
    """BERT's kind of tokenizer from its list of tokens, one a line, and the settings with all its names.

    UserError if the file cannot be read, or lacks a token that BERT puts into every text.
    """
    lines = _text(vocab_txt).removesuffix("\n").split("\n")
    ids = {token: id for id, token in enumerate(lines)}
    names = {key: name_of(settings.get(key)) or usual for key, usual in BERT_NAMES.items()}
    unknown, first, last = names["unk_token"], names["cls_token"], names["sep_token"]
    for name in (unknown, first, last):
        if name not in ids:
            raise UserError(
                f"{vocab_txt} is no vocabulary of a BERT: it lacks {name}. "
                "Get the file again, or a tokenizer.json."
            )
    library = Tokenizer(models.WordPiece(vocab=ids, unk_token=unknown))
    library.normalizer = normalizers.BertNormalizer(
        clean_text=True,
        handle_chinese_chars=settings.get("tokenize_chinese_chars", True),
        strip_accents=settings.get("strip_accents"),
        lowercase=settings.get("do_lower_case", True),
    )
    library.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    library.decoder = decoders.WordPiece()
    library.post_processor = processors.TemplateProcessing(
        single=f"{first} $A {last}",
        pair=f"{first} $A {last} $B:1 {last}:1",
        special_tokens=[(first, ids[first]), (last, ids[last])],
    )
    library.add_special_tokens(
        [AddedToken(name, normalized=False, special=True) for name in names.values() if name in ids]
    )
    known = {key: name for key, name in names.items() if name in ids}
    add_later_tokens(library, vocab_txt.parent, settings)
    return library, {"tokenizer_class": "BertTokenizer", **settings, **known}


def add_later_tokens(library: Tokenizer, folder: Path, settings: dict[str, Any]) -> None:
    """Put in what was added to a vocabulary of an old form: added_tokens.json, {token: id}.

    UserError if an id does not follow on those that are there.
    """
    if not os.path.exists(folder / "added_tokens.json"):
        return
    named = [*settings.values(), *(settings.get("additional_special_tokens") or ())]
    special = {name_of(token) for token in named}
    for name, id in sorted(read_json(folder / "added_tokens.json").items(), key=lambda item: item[1]):
        free = library.get_vocab_size()
        library.add_tokens([AddedToken(name, normalized=False, special=name in special)])
        if library.token_to_id(name) != id:
            raise UserError(
                f"added_tokens.json of {folder} gives {name!r} the id {id}, but the next free one is {free}. "
                f"Get the folder's files again, or a tokenizer.json."
            )


def chat_templates(settings: dict[str, Any]) -> dict[str, str]:
    """The chat templates of tokenizer_config.json by their names; a single one is called "default".

    UserError if they stand there in no form that is known.
    """
    stored = settings.get("chat_template")
    alone = [{"name": "default", "template": stored}] if stored else []
    several = stored if isinstance(stored, list) else alone
    pairs = [(each.get("name"), each.get("template")) for each in several if isinstance(each, dict)]
    named = {name: text for name, text in pairs if isinstance(name, str) and isinstance(text, str)}
    if len(named) < len(several):
        raise UserError(
            f"The chat_template in tokenizer_config.json is {str(stored)[:40]!r}; expected a text, or a list "
            f'of {{"name": ..., "template": ...}} with different names. Get the file again.'
        )
    return named


def _chat_templates(folder: Path) -> dict[str, Any]:
    """The chat templates in files of their own, in the form that tokenizer_config.json has for them."""
    files = {file.stem: file for file in sorted((folder / MORE_CHATS).glob("*.jinja"))}
    if os.path.exists(folder / CHAT):
        files = {"default": folder / CHAT} | files
    texts = {name: _text(file) for name, file in files.items()}
    if list(texts) == ["default"]:
        return {"chat_template": texts["default"]}
    several = [{"name": name, "template": text} for name, text in texts.items()]
    return {"chat_template": several} if several else {}


def _text(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"Could not read {file}: {error}. Get it again.") from error
