"""A corpus whose exact probability is known: short tales, letters and notices from a small world."""

from groundup.village.check import Mistake, check
from groundup.village.filter import bits, probability, worlds
from groundup.village.walk import documents, sample

__all__ = ["Mistake", "bits", "check", "documents", "probability", "sample", "worlds"]
