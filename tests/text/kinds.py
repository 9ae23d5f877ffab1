"""Small real tokenizers of every kind that published models have, each trained here on a few sentences."""

import json
from collections.abc import Callable
from typing import Any, NamedTuple

import tokenizers
from tokenizers import Regex, decoders, models, normalizers, pre_tokenizers, processors, trainers

from groundup.text.bpe import train_bpe
from groundup.text.tokenizer import SPECIAL_TOKENS, Tokenizer

TEXT = (
    "The miller's daughter hasn't slept. \"Was it the wind?\" she asked, and the wind said: 1, 22, 333!\n\n"
    "Später kam der Bäcker, dann 面包师, et puis un naïf 🍞. The wind, the mill, the wind.  \t end \n"
    "def area(width, height):\n    return width * height\n"
)
QWEN_PATTERN = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+"
    r"|\s+(?!\S)|\s+"
)


class Kind(NamedTuple):
    """A tokenizer, and what may be expected of it."""

    make: Callable[[], Tokenizer]
    special: tuple[str, ...]  # as they are written
    border: str | None
    exact: bool  # whether every text comes back as it was
    tokenizer_class: str = "PreTrainedTokenizerFast"  # of transformers, as the models' own folders name it


def trained(library: tokenizers.Tokenizer, trainer: Any) -> tokenizers.Tokenizer:
    library.train_from_iterator([TEXT] * 4, trainer)
    return library


def own(pattern: str) -> Tokenizer:
    return train_bpe([TEXT * 3], 400, pattern=pattern)


def qwen() -> Tokenizer:
    """Byte-level, with a split pattern of its own and characters made canonical first."""
    library = tokenizers.Tokenizer(models.BPE())
    library.normalizer = normalizers.NFC()
    library.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(QWEN_PATTERN), "isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    library.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trained(library, trainers.BpeTrainer(vocab_size=380, initial_alphabet=alphabet, show_progress=False))
    library.add_special_tokens(["<|endoftext|>", "<|im_start|>", "<|im_end|>"])
    return Tokenizer(library, {"eos_token": "<|im_end|>", "bos_token": None})


def llama(normalizer: Any, pre_tokenizer: Any, last_steps: list[Any]) -> Tokenizer:
    """BPE over characters, "▁" for a space, and a token <0x..> for each byte of what it does not know."""
    first = tokenizers.Tokenizer(models.BPE())
    first.normalizer = normalizers.Replace(" ", "▁")
    first.pre_tokenizer = pre_tokenizers.Split("▁", "merged_with_next")
    ascii_text = TEXT.encode("ascii", "ignore").decode()
    first.train_from_iterator([ascii_text] * 4, trainers.BpeTrainer(vocab_size=150, show_progress=False))
    learned = json.loads(first.to_str())["model"]
    special = ["<unk>", "<s>", "</s>"]
    names = [*special, *(f"<0x{byte:02X}>" for byte in range(256)), *learned["vocab"]]
    vocab = {name: id for id, name in enumerate(dict.fromkeys(name for name in names if name != "\n"))}
    merges = [tuple(merge) for merge in learned["merges"] if "\n" not in "".join(merge)]
    library = tokenizers.Tokenizer(
        models.BPE(vocab=vocab, merges=merges, unk_token="<unk>", fuse_unk=True, byte_fallback=True)
    )
    library.normalizer, library.pre_tokenizer = normalizer, pre_tokenizer
    steps = [decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(), *last_steps]
    library.decoder = decoders.Sequence(steps)
    library.post_processor = processors.TemplateProcessing(single="<s> $A", special_tokens=[("<s>", 1)])
    library.add_special_tokens(special)
    begin = {"__type": "AddedToken", "content": "<s>", "normalized": False}  # as Llama's folders have it
    return Tokenizer(library, {"bos_token": begin, "eos_token": "</s>", "unk_token": "<unk>"})


def llama_2() -> Tokenizer:
    steps = [normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")]
    return llama(normalizers.Sequence(steps), None, [decoders.Strip(" ", 1, 0)])


def mistral() -> Tokenizer:
    metaspace = pre_tokenizers.Metaspace(prepend_scheme="first", split=False)
    return llama(None, metaspace, [decoders.Strip(" ", 1, 0)])


def gemma() -> Tokenizer:
    return llama(
        normalizers.Replace(" ", "▁"), pre_tokenizers.Split(" ", "merged_with_previous"), last_steps=[]
    )


def bert() -> Tokenizer:
    """Words in small letters without accents, and parts of words that begin with ##."""
    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    library = tokenizers.Tokenizer(models.WordPiece(unk_token="[UNK]"))
    library.normalizer = normalizers.BertNormalizer(lowercase=True)
    library.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    library.decoder = decoders.WordPiece()
    trained(library, trainers.WordPieceTrainer(vocab_size=160, special_tokens=special, show_progress=False))
    library.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]",
        pair="[CLS] $A [SEP] $B:1 [SEP]:1",
        special_tokens=[("[CLS]", 2), ("[SEP]", 3)],
    )
    names = ("pad_token", "unk_token", "cls_token", "sep_token", "mask_token")
    return Tokenizer(library, {**dict(zip(names, special, strict=True)), "do_lower_case": True})


def words() -> Tokenizer:
    """Whole words between spaces, as in courses: here "[SEP]" in a text is a word of the vocabulary."""
    special = ["[UNK]", "[PAD]", "[SEP]"]
    library = tokenizers.Tokenizer(models.WordLevel(unk_token="[UNK]"))
    library.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    trained(library, trainers.WordLevelTrainer(vocab_size=60, special_tokens=special, show_progress=False))
    return Tokenizer(library, {"unk_token": "[UNK]", "pad_token": "[PAD]", "eos_token": "[SEP]"})


def t5() -> Tokenizer:
    """Unigram: the most probable way to cut a text, by the probabilities of its tokens."""
    special = ["<pad>", "</s>", "<unk>"]
    library = tokenizers.Tokenizer(models.Unigram())
    library.pre_tokenizer = pre_tokenizers.Metaspace()
    library.decoder = decoders.Metaspace()
    trained(
        library,
        trainers.UnigramTrainer(
            vocab_size=120, special_tokens=special, unk_token="<unk>", show_progress=False
        ),
    )
    return Tokenizer(library, {"eos_token": "</s>", "unk_token": "<unk>", "pad_token": "<pad>"})


KINDS = {
    "gpt2": Kind(lambda: own("gpt2"), SPECIAL_TOKENS, "<|endoftext|>", exact=True),
    "gpt4": Kind(lambda: own("gpt4"), SPECIAL_TOKENS, "<|endoftext|>", exact=True),
    "bytes": Kind(Tokenizer.from_bytes, SPECIAL_TOKENS, "<|endoftext|>", exact=True),
    "qwen": Kind(qwen, ("<|endoftext|>", "<|im_start|>", "<|im_end|>"), "<|endoftext|>", exact=False),
    "llama 2": Kind(llama_2, ("<s>", "</s>"), "<s>", exact=True),
    "mistral": Kind(mistral, ("<s>", "</s>"), "<s>", exact=False),
    "gemma": Kind(gemma, ("<s>", "</s>"), "<s>", exact=True),
    "bert": Kind(bert, ("[PAD]", "[CLS]", "[SEP]", "[MASK]"), None, False, "BertTokenizer"),
    "words": Kind(words, ("[PAD]", "[SEP]"), "[SEP]", exact=False),
    "t5": Kind(t5, ("<pad>", "</s>"), "</s>", exact=False),
}
