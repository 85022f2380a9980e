"""A Python function as a tool. No threads, no sessions."""

from __future__ import annotations

import functools
import re
from collections.abc import Callable
from copy import deepcopy
from typing import Any, Final, Generic, ParamSpec, TypeAlias, TypeVar, overload

from ..errors import ConfigurationError
from .call import Outcome, answer
from .schema import Signature, described, named

__all__ = ["Approval", "Tool", "checked_name", "tool"]

P = ParamSpec("P")
R = TypeVar("R")

NAME: Final = re.compile(r"[a-zA-Z0-9_-]{1,64}")

Approval: TypeAlias = bool | Callable[[dict[str, Any]], bool]


class Tool(Generic[P, R]):
    """A function that the model may call. Calling the tool calls the function.

    Attributes:
        fn: The function.
        name: What the model calls it.
        description: What the model is told that it does; "" for nothing.
        parameters: JSON Schema of its arguments.
        timeout: Seconds a call may take; None: as long as it likes.
        needs_approval: Whether a call waits for approval; a function of its arguments decides.
        serial: Whether calls of it run one after the other.
    """

    def __init__(
        self,
        fn: Callable[P, R],
        *,
        name: str | None = None,
        description: str | None = None,
        timeout: float | None = 60,
        needs_approval: Approval = False,
        serial: bool = False,
    ) -> None:
        """See the class.

        Args:
            fn: A function, bound method, partial or object with `__call__`; `async def` too.
            name: None: the function's.
            description: None: the first paragraph of its docstring.
            timeout: Seconds; None waits for ever.
            needs_approval: True, False, or a function of the arguments.
            serial: True: never two calls at a time.

        Raises:
            TypeError: The function cannot be a tool; the message says why.
            ConfigurationError: Its name or the timeout cannot be.
        """
        signature = Signature.of(fn)
        # without fn.__dict__: an attribute `name` of the function would overwrite ours
        functools.update_wrapper(self, fn, updated=())
        self.fn = fn
        self.name = checked_name(named(fn) if name is None else name)
        self.description = described(fn) if description is None else description
        self.parameters = signature.schema
        self.timeout = _checked_timeout(self.name, timeout)
        self.needs_approval = needs_approval
        self.serial = serial
        self._signature = signature

    @classmethod
    def from_function(
        cls,
        fn: Callable[P, R],
        *,
        name: str | None = None,
        description: str | None = None,
        timeout: float | None = 60,
        needs_approval: Approval = False,
        serial: bool = False,
    ) -> Tool[P, R]:
        """The same as the constructor, in words."""
        return cls(
            fn,
            name=name,
            description=description,
            timeout=timeout,
            needs_approval=needs_approval,
            serial=serial,
        )

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R:
        return self.fn(*args, **kwargs)

    def __get__(self, instance: Any, owner: type | None = None) -> Tool[..., R]:
        """On an instance of the class it was defined in: the tool with its `self` bound."""
        if instance is None or not self._signature.unbound:
            return self
        return Tool(
            self.fn.__get__(instance, owner),
            name=self.name,
            description=self.description,
            timeout=self.timeout,
            needs_approval=self.needs_approval,
            serial=self.serial,
        )

    @property
    def bound(self) -> bool:
        """False for a method that still needs its `self`."""
        return not self._signature.unbound

    def invoke(self, arguments: str) -> Outcome:
        """Runs one call on the calling thread. Never raises, never forgets an answer.

        Args:
            arguments: JSON text from the model; "" counts as {}.
        """
        return answer(self.name, self._signature.arguments, self.fn, arguments)

    def to_wire(self) -> dict[str, Any]:
        """The tool as the session's config has it."""
        wire: dict[str, Any] = {"type": "function", "name": self.name}
        if self.description:
            wire["description"] = self.description
        return {**wire, "parameters": deepcopy(self.parameters)}

    def __repr__(self) -> str:
        return f"<Tool {self.name}({', '.join(self.parameters['properties'])})>"


@overload
def tool(fn: Callable[P, R], /) -> Tool[P, R]: ...
@overload
def tool(
    *,
    name: str | None = None,
    description: str | None = None,
    timeout: float | None = 60,
    needs_approval: Approval = False,
    serial: bool = False,
) -> Callable[[Callable[P, R]], Tool[P, R]]: ...
def tool(fn: Callable[..., Any] | None = None, /, **options: Any) -> Any:
    """Makes a function a tool, which is still called like the function: `@tool`, `@tool(...)`.

    Args:
        fn: The function.
        **options: Those of `Tool`.

    Raises:
        TypeError: The function cannot be a tool; the message says why.
        ConfigurationError: Its name or the timeout cannot be.
    """
    if fn is None:
        return functools.partial(Tool, **options)
    return Tool(fn, **options)


def checked_name(name: str) -> str:
    """The name itself, if a tool may have it.

    Raises:
        ConfigurationError: It may not.
    """
    if not isinstance(name, str) or NAME.fullmatch(name) is None:
        raise ConfigurationError(
            f"{name!r} is no tool name; give name= of 1 to 64 letters, digits, _ or -"
        )
    return name


def _checked_timeout(name: str, timeout: float | None) -> float | None:
    if timeout is None:
        return None
    if isinstance(timeout, bool) or not isinstance(timeout, (int, float)) or not timeout > 0:
        raise ConfigurationError(
            f"tool {name}: timeout is seconds above 0 or None, not {timeout!r}"
        )
    return timeout
