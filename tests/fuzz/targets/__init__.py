"""What is fuzzed. Errors that a part declares are caught here; what else is raised is a fault."""

from tests.fuzz.targets import datapath, devices, svp, words
from tests.fuzz.targets.registry import TARGETS, Target

__all__ = ["TARGETS", "Target", "datapath", "devices", "svp", "words"]
