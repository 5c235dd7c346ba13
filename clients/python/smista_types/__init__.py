"""Types of what goes to smista and what comes from it."""

from .decision import Decision
from .interaction import Interaction

__all__ = ["Decision", "Interaction"]
