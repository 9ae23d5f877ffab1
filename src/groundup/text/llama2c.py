"""llama2.c's tokenizer files: SentencePiece's tokens with their scores, as a tokenizer.json.

The file: the longest token's length (int32), then for each token its score (float32), its length (int32) and
its bytes. Two neighbours are joined if the two together are a token; the one with the best score comes first.
"""

import re
import struct
from pathlib import Path

from tokenizers import AddedToken, decoders, models, normalizers
from tokenizers import Tokenizer as Library

from groundup.errors import UserError
from groundup.text.tokenizer import Tokenizer

SPECIAL = ("<unk>", "<s>", "</s>")  # always the first three
SPACE = "▁"  # how SentencePiece writes a space


def read_llama2c_tokenizer(path: Path) -> Tokenizer:
    """A tokenizer.bin of llama2.c. UserError if it is cut short, or is something else."""
    try:
        data = path.read_bytes()
    except OSError as error:
        raise UserError(f"Could not read {path} ({error}). Give llama2.c's tokenizer.bin.") from None
    tokens, scores, at = [], [], 4
    try:
        while at < len(data):
            score, length = struct.unpack_from("<fi", data, at)
            word = data[at + 8 : at + 8 + length]
            at += 8 + length
            if length < 1 or len(word) < length:
                raise ValueError("a token is cut short")
            tokens.append(word.decode("utf-8"))
            scores.append(score)
        if [token.strip() for token in tokens[:3]] != list(SPECIAL):
            raise ValueError("it does not begin with <unk>, <s> and </s>")
        names = [*SPECIAL, *(token.replace(" ", SPACE) for token in tokens[3:])]
        ids = {token: id for id, token in enumerate(names)}
        if len(ids) < len(names):
            raise ValueError("a token stands there twice")
    except (struct.error, ValueError) as error:
        raise UserError(f"{path} is no whole tokenizer.bin of llama2.c ({error}). Get it again.") from None
    library = Library(
        models.BPE(
            vocab=ids, merges=_merges(ids, scores), unk_token="<unk>", fuse_unk=True, byte_fallback=True
        )
    )
    library.normalizer = normalizers.Sequence(
        [normalizers.Prepend(SPACE), normalizers.Replace(" ", SPACE)]  # also the first word follows a space
    )
    library.decoder = decoders.Sequence(
        [decoders.Replace(SPACE, " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0)]
    )
    library.add_special_tokens([AddedToken(token, normalized=False, special=True) for token in SPECIAL])
    return Tokenizer(
        library,
        {
            "tokenizer_class": "PreTrainedTokenizerFast",
            "bos_token": "<s>",
            "eos_token": "</s>",
            "unk_token": "<unk>",
            "clean_up_tokenization_spaces": False,
        },
    )


def _merges(ids: dict[str, int], scores: list[float]) -> list[tuple[str, str]]:
    """Every pair of tokens that makes a token, in the order in which they are to be joined."""
    found: list[tuple[float, int, int, tuple[str, str]]] = []
    for token, id in ids.items():
        if id < len(SPECIAL) or re.fullmatch("<0x[0-9A-F]{2}>", token):
            continue
        for cut in range(1, len(token)):
            left, right = token[:cut], token[cut:]
            if left in ids and right in ids:
                found.append((-scores[id], ids[left], ids[right], (left, right)))
    return [pair for *_, pair in sorted(found)]
