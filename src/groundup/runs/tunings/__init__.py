"""How each method of fine-tuning reads its data and is judged: one file each, named as the method."""

from groundup.registry import Folder
from groundup.runs.tunings._tuning import Tuning

TUNINGS: Folder[type[Tuning]] = Folder("groundup.runs.tunings", "TUNING", "method of fine-tuning")
