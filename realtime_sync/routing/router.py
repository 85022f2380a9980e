"""What every router is, and the words between it and its driver. Knows no session."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from ..errors import ToolError
from ..events.base import LocalEvent
from ..tools import ToolContext, ToolEntry

__all__ = ["Router", "Setting", "Step", "move"]


@dataclass(frozen=True, slots=True)
class Setting:
    """What the model is told where the conversation stands.

    Attributes:
        instructions: The prompt, without what the session says by itself.
        tools: The tools there, those to move on by included.
        voice: The voice there; None: as it is.
    """

    instructions: str
    tools: tuple[ToolEntry, ...]
    voice: Any = None


@dataclass(frozen=True, slots=True)
class Step:
    """A move that is not made yet; nothing has changed until the router takes it.

    Attributes:
        to: Where it leads, in the router's own terms.
        output: What the call is answered with.
        event: What is told once it is made.
        ends: The conversation is over: the call is answered first, then the step is taken.
    """

    to: Any
    output: Any
    event: LocalEvent
    ends: bool = False


class Router(ABC):
    """Says what the model may do, and when.

    It has no thread and no lock: its driver calls it from one thread at a time; the properties may
    be read from any.
    """

    @abstractmethod
    def bind(self, tools: Iterable[Any]) -> tuple[ToolEntry, ...]:
        """Take what the router needs of the session's tools.

        Args:
            tools: As `as_tools` gives them.

        Returns:
            Tools that are there wherever the conversation stands.

        Raises:
            ConfigurationError: Tools that are missing, or names that are taken; all at once.
        """

    @abstractmethod
    def setting(self, step: Step | None = None) -> Setting:
        """What the model is told where it stands, or where the step leads.

        Runs functions of the user's, where instructions are such: never under a lock.
        """

    @abstractmethod
    def take(self, step: Step) -> None:
        """The step is made."""

    @abstractmethod
    def reset(self) -> None:
        """Stand at the beginning again. Tells no session: for use between conversations."""


def move(context: ToolContext, plan: Callable[[], Step]) -> Any:
    """Have whoever drives the router make a step; what the call is answered with.

    Args:
        context: That of the call.
        plan: Gives the step, or raises a `ToolError`: the model reads why.
    """
    driver = getattr(context.session, "_routing", None)
    if driver is None:
        raise ToolError("there is no conversation that could move on")
    return driver.move(plan, context)
