import json

import pytest

from groundup.text.bpe import train_bpe
from groundup.text.tokenizer import BORDER, Tokenizer

transformers = pytest.importorskip("transformers")
TEXT = "The miller's wind, été 你好 👩‍👩‍👧 <|endoftext|> and <|user|>\r\n\t  x   y 1234\n"


@pytest.mark.parametrize("family", [None, "gpt2", "llama", "qwen3"])
@pytest.mark.parametrize("kind", ["trained", "bytes"])
def test_transformers_opens_the_saved_folder_with_the_same_ids(tmp_path, family, kind):
    tokenizer = train_bpe([TEXT * 3], 330) if kind == "trained" else Tokenizer.from_bytes()
    tokenizer.save(tmp_path)
    if family:  # transformers may choose another class of tokenizer by the model beside it
        (tmp_path / "config.json").write_text(json.dumps({"model_type": family}), "utf-8")
    theirs = transformers.AutoTokenizer.from_pretrained(tmp_path)
    assert theirs(TEXT, split_special_tokens=True)["input_ids"] == tokenizer.encode(TEXT)
    assert theirs(TEXT)["input_ids"] == tokenizer.encode(TEXT, allowed_special={BORDER, "<|user|>"})
    assert theirs.decode(tokenizer.encode(TEXT)) == TEXT
    assert (theirs.eos_token, theirs.bos_token, theirs.unk_token) == (BORDER, BORDER, BORDER)
    assert (theirs.eos_token_id, theirs.pad_token_id) == (tokenizer.border_id, tokenizer.pad_id)
