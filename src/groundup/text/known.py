"""Vocabularies that are known by name and fetched from where they were published: "gpt2"."""

from collections.abc import Callable

from groundup.system.download import download, downloads_folder
from groundup.text.tokenizer import Tokenizer

OPENAI = "https://openaipublic.blob.core.windows.net/gpt-2/models"
GPT2_FILES = {
    "vocab.bpe": (456_318, "1ce1664773c50f3e0cc8842619a93edc4624525b728b188a9e0be33b7726adc5"),
    "encoder.json": (1_042_301, "196139668be63f3b5d6574427317ae82f612a97c5d1cdaf36ed2256dbf636783"),
}
"""Size and sha256 of the two files that hold GPT-2's vocabulary, the same for all of its sizes."""


def gpt2_tokenizer(progress: Callable[[int, int], None] | None = None) -> Tokenizer:
    """GPT-2's 50,257 tokens from OpenAI's own files, downloaded once. UserError if they cannot be had."""
    folder = downloads_folder() / "gpt2"
    for name, (size, sha256) in GPT2_FILES.items():
        download(f"{OPENAI}/124M/{name}", folder / name, sha256=sha256, size=size, progress=progress)
    return Tokenizer.from_gpt2_files(folder / "vocab.bpe", folder / "encoder.json")
