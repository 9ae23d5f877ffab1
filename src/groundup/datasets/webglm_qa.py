"""WebGLM-QA: questions, passages of web pages, and answers that refer to them by number."""

import json

from groundup.data.dataset import Dataset
from groundup.data.piece import Piece
from groundup.datasets._examples import conversations
from groundup.datasets._remote import HubFiles, hub_pieces, read_sample

REPOSITORY = "zai-org/webglm-qa"  # as THUDM/webglm-qa it was published, and that name still leads there
COMMIT = "main"  # its files have not changed since they came (July 2023); the list holds their sha256

SAMPLE = [
    {
        "question": "Why does bread go stale?",
        "answer": "Its starch takes up order again as it cools [1]. The fridge makes that faster [2].",
        "references": [
            "As bread cools, the starch forms crystals once more, and the crumb hardens.",
            "Bread keeps worse in the fridge than at room temperature.",
        ],
    },
    {
        "question": "How long does a candle of 100 g burn?",
        "answer": "About fourteen hours, at seven grams an hour [1].",
        "references": ["A common candle loses about seven grams of wax in an hour."],
    },
]


def pieces(split: str, seed: int) -> list[Piece]:
    """One file of JSON lines for each part."""
    return hub_pieces(HubFiles(REPOSITORY, COMMIT, "data", f"{split}.jsonl"), conversations)


def sample_file() -> bytes:
    """Two questions of our own in the form of a real file."""
    return "".join(json.dumps(record) + "\n" for record in SAMPLE).encode()


DATASET = Dataset(
    name="webglm_qa",
    about="44,979 questions with passages of the web and answers that cite them; 115 MB to learn from.",
    licence="Apache-2.0, as its authors' program; the passages belong to their authors",
    source=f"https://huggingface.co/datasets/{REPOSITORY}, Liu et al. 2023, arXiv:2306.07906",
    pieces=pieces,
    splits=("train", "validation", "test"),
    sample=lambda: read_sample("train.jsonl", sample_file(), conversations),
    kind="conversations",
)
