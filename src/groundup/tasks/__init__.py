"""The evaluations, one file each."""

from groundup.registry import Folder
from groundup.tasks._task import Task

TASKS: Folder[Task] = Folder("groundup.tasks", "TASK", "task")
