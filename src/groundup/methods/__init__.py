"""The methods of learning, one file each: what is learned, as a module around the model."""

from groundup.methods._method import Method
from groundup.registry import Folder

METHODS: Folder[type[Method]] = Folder("groundup.methods", "METHOD", "method")
