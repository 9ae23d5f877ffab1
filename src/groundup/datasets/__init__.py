"""The datasets that are known by name: one file each, whose name is the dataset's."""

from groundup.data.dataset import Dataset
from groundup.registry import Folder

DATASETS: Folder[Dataset] = Folder("groundup.datasets", "DATASET", "dataset")
