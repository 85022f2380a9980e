"""A Python function as a tool. No threads, no sessions."""

from __future__ import annotations

import functools
import logging
import re
from collections.abc import Awaitable, Callable
from copy import deepcopy
from typing import Any, Final, Generic, ParamSpec, TypeAlias, TypeVar, overload

from ..errors import ConfigurationError
from .call import Outcome, answer, finished, read
from .context import ToolContext
from .schema import Signature, documented, named

__all__ = ["Approval", "Tool", "checked_name", "tool"]

log = logging.getLogger(__name__)

P = ParamSpec("P")
R = TypeVar("R")

NAME: Final = re.compile(r"[a-zA-Z0-9_-]{1,64}")

Approval: TypeAlias = bool | Callable[[dict[str, Any]], bool | Awaitable[bool]]


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
        retries: How often, in one turn, the model is asked to correct a call.
        expose_errors: Whether the model may read what the function raises, whatever it is.
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
        retries: int = 3,
        expose_errors: bool = False,
    ) -> None:
        """See the class.

        Args:
            fn: A function, bound method, partial or object with `__call__`; `async def` too.
            name: None: the function's.
            description: None: its docstring up to the first section.
            timeout: Seconds, from when it begins to run; None waits for ever. When they have
                passed the model is told so, while the function runs on.
            needs_approval: True, False, or a function of the arguments, as a dict by parameter;
                `async def` too.
            serial: True: never two calls at a time, but for one that the other's own `ask` brings
                about. Where calls of such tools would wait for each other's, the last is answered
                with an error, "busy", at once.
            retries: After so many wrong calls (`ToolRetry`, wrong arguments) in one turn, the
                model is told to give up.
            expose_errors: True: the model reads every exception's text, not only a `ToolError`'s.

        Raises:
            TypeError: The function cannot be a tool; the message says why.
            ConfigurationError: Its name or an option cannot be.
        """
        about = documented(fn)
        signature = Signature.of(fn, about)
        # without fn.__dict__: an attribute `name` of the function would overwrite ours
        functools.update_wrapper(self, fn, updated=())
        self.fn = fn
        self.name = checked_name(named(fn) if name is None else name)
        if not isinstance(description, str | None):
            raise ConfigurationError(f"tool {self.name}: description is text, not {description!r}")
        self.description = about.description if description is None else description
        self.parameters = signature.schema
        self.timeout = _checked_timeout(self.name, timeout)
        self.needs_approval = _checked_approval(self.name, needs_approval)
        self.serial = serial
        self.retries = _checked_retries(self.name, retries)
        self.expose_errors = expose_errors
        self._signature = signature

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
            retries=self.retries,
            expose_errors=self.expose_errors,
        )

    @property
    def bound(self) -> bool:
        """False for a method that still needs its `self`."""
        return not self._signature.unbound

    def read(self, arguments: str) -> dict[str, Any] | Outcome:
        """Keyword arguments as the declared types, or the answer to what cannot be used.

        Args:
            arguments: JSON text from the model; "" counts as {}. Checked, never evaluated.
        """
        reader = self._signature.arguments
        return read(self.name, arguments, reader, expose=self.expose_errors)

    def run(self, arguments: dict[str, Any], context: ToolContext) -> Outcome:
        """Runs one call on the calling thread. Never raises, never forgets an answer.

        Args:
            arguments: As `read` gives them.
            context: Given to parameters with the type hint `ToolContext`.
        """
        arguments = {**arguments, **dict.fromkeys(self._signature.context, context)}
        return answer(self.name, self.fn, arguments, context, expose=self.expose_errors)

    def invoke(self, arguments: str, context: ToolContext | None = None) -> Outcome:
        """`read`, then `run`."""
        given = self.read(arguments)
        if isinstance(given, Outcome):
            return given
        return self.run(given, context or ToolContext(name=self.name))

    def awaits_approval(self, arguments: dict[str, Any]) -> bool:
        """Whether a call with these arguments, as `read` gives them, needs approval.

        What `needs_approval` raises means yes: it is logged, and the call waits.
        """
        if isinstance(self.needs_approval, bool):
            return self.needs_approval
        try:
            said = self.needs_approval(self._signature.filled(arguments))
            return bool(finished(said, ToolContext(name=self.name)))
        except (Exception, SystemExit):  # the user's code; when in doubt, a human decides
            log.exception("needs_approval of tool %s raised; the call needs approval", self.name)
            return True

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
    retries: int = 3,
    expose_errors: bool = False,
) -> Callable[[Callable[P, R]], Tool[P, R]]: ...
def tool(fn: Callable[..., Any] | None = None, /, **options: Any) -> Any:
    """Makes a function a tool, which is still called like the function: `@tool`, `@tool(...)`.

    Args:
        fn: The function.
        **options: Those of `Tool`.

    Raises:
        TypeError: The function cannot be a tool; the message says why.
        ConfigurationError: Its name or an option cannot be.
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


def _checked_approval(name: str, wanted: Approval) -> Approval:
    if not isinstance(wanted, bool) and not callable(wanted):
        raise ConfigurationError(
            f"tool {name}: needs_approval is True, False or a function of the arguments, "
            f"not {wanted!r}"
        )
    return wanted


def _checked_retries(name: str, retries: int) -> int:
    if isinstance(retries, bool) or not isinstance(retries, int) or retries < 0:
        raise ConfigurationError(f"tool {name}: retries is a number from 0 on, not {retries!r}")
    return retries


def _checked_timeout(name: str, timeout: float | None) -> float | None:
    if timeout is None:
        return None
    if isinstance(timeout, bool) or not isinstance(timeout, (int, float)) or not timeout > 0:
        raise ConfigurationError(
            f"tool {name}: timeout is seconds above 0 or None, not {timeout!r}"
        )
    return timeout
