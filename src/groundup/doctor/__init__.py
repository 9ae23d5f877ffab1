"""Checks that a run is right before it costs hours, one file each."""

from groundup.doctor._check import Check, Finding, Patient
from groundup.registry import Folder

CHECKS: Folder[Check] = Folder("groundup.doctor", "CHECK", "check")


def examine(patient: Patient) -> list[Finding]:
    """What all checks found, in the order of their names."""
    return [check.examine(patient) for check in CHECKS.all()]
