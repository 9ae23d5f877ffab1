"""The datasets that are known by name: one file each, whose name is the dataset's."""

from groundup.data.dataset import Dataset
from groundup.errors import UserError
from groundup.registry import Folder

DATASETS: Folder[Dataset] = Folder("groundup.datasets", "DATASET", "dataset")


def is_dataset(source: str) -> bool:
    """Whether a source is the name of a dataset, perhaps with an option after a colon: "gutenberg:11"."""
    return source.split(":")[0].replace("-", "_") in DATASETS.names()


def find_dataset(source: str) -> Dataset:
    """The dataset of a name, or of NAME:OPTION. UserError if there is none, or it has no such option."""
    name, colon, option = source.partition(":")
    dataset = DATASETS.get(name)
    if not colon:
        return dataset
    if dataset.variant is None:
        raise UserError(f"The dataset {name} has no options, so {source!r} is none. Ask for {name!r} alone.")
    return dataset.variant(option)
