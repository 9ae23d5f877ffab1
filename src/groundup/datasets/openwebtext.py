"""OpenWebText: pages that people on Reddit linked to, gathered anew in the way of GPT-2's own WebText."""

from groundup.data.dataset import Dataset
from groundup.data.formats import records
from groundup.data.piece import Piece
from groundup.datasets._remote import HubFiles, hub_pieces, parquet_file, read_sample

REPOSITORY, COMMIT = "Skylion007/openwebtext", "79d93d786212f7344586290adb811d4ae6a1762c"

SAMPLE = [
    "The town council voted on Tuesday to keep the old footbridge open through the winter.\n\n"
    "“Nobody wants the long way round in January,” one of the members said.",
    "How I fixed my kitchen scale\n\nIt showed 3 g with nothing on it. The cause was a crumb. Photos below.",
]


def pieces(split: str, seed: int) -> list[Piece]:
    """80 files, of about 300 MB and 100,000 documents each."""
    return hub_pieces(HubFiles(REPOSITORY, COMMIT, "plain_text", "train-*.parquet"), records)


def sample_file() -> bytes:
    """Two pages of our own in the form of a real file."""
    return parquet_file(SAMPLE)


DATASET = Dataset(
    name="openwebtext",
    about="8,013,769 pages linked to on Reddit, 24 GB to fetch: made as GPT-2's own corpus was.",
    licence="CC0 for the collection; the pages belong to their authors",
    source=f"https://huggingface.co/datasets/{REPOSITORY}, Gokaslan and Cohen 2019",
    pieces=pieces,
    splits=("train",),
    sample=lambda: read_sample("rows.parquet", sample_file(), records),
    prompts=("", "The company said on"),
)
