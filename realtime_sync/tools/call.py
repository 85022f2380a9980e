"""One call of a tool: JSON text in, text out, whatever happens between. No threads, no sessions.

The model gets an answer to every call. What it gets to see of an error is only what was meant for
it: the text of a `ToolError`, or why its own arguments were refused.
"""

from __future__ import annotations

import asyncio
import enum
import inspect
import json
import logging
import time
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass, field, replace
from typing import Any, Final, NoReturn

from pydantic import ValidationError
from pydantic_core import from_json, to_json

from ..errors import ToolError, ToolRetry
from .context import ToolContext

__all__ = [
    *("MAX_ARGUMENTS", "MAX_OUTPUT", "NoReply", "Outcome"),
    *("answer", "error_text", "finished", "read", "text_of", "was_ended"),
]

log = logging.getLogger(__name__)

MAX_ARGUMENTS: Final = 64 * 1024  # bytes of JSON that a call may bring
MAX_OUTPUT: Final = 32 * 1024  # bytes of text that the model gets back
MAX_PROBLEMS: Final = 5  # of one call's arguments; the model rarely needs more to do better
MAX_PROBLEM: Final = 300  # characters


@dataclass(frozen=True, slots=True)
class NoReply:
    """Return it from a tool: the value is handed over, but the model is not asked to go on.

    Attributes:
        value: The result, as it would be returned without `NoReply`.
    """

    value: Any = None


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a call ended.

    Attributes:
        output: The text for the model.
        error: What went wrong, in a line, for events and logs, not for the model; None: nothing.
        respond: False where the tool asked for no reply.
        exception: What the tool raised, if that is how it ended.
        seconds: How long it took.
    """

    output: str
    error: str | None = None
    respond: bool = True
    exception: BaseException | None = field(default=None, repr=False, compare=False)
    seconds: float = field(default=0.0, compare=False)

    @property
    def asks_again(self) -> bool:
        """Whether the model may correct its call: wrong arguments, or a `ToolRetry`."""
        return isinstance(self.exception, (_BadArguments, ToolRetry))

    def given_up(self) -> Outcome:
        """The same, for a model that has tried often enough."""
        kind = (self.error or "").partition(":")[0]
        why = _words(self.exception) if self.exception is not None else "the tool failed"
        message = f"{why}; it has failed too often: do not call this tool again"
        return replace(self, output=_cut(error_text(kind, message)))

    @classmethod
    def refused(cls, kind: str, message: str) -> Outcome:
        """Of a call that never ran: `kind` is e.g. "unknown_tool", `message` the model sees."""
        return cls(error_text(kind, message), error=f"{kind}: {message}")


def error_text(kind: str, message: str) -> str:
    """The form in which the model reads that a call has failed."""
    return json.dumps({"error": {"type": kind, "message": message}}, ensure_ascii=False)


def read(
    name: str, arguments: str, reader: Callable[[bytes], dict[str, Any]], *, expose: bool = False
) -> dict[str, Any] | Outcome:
    """Keyword arguments from the model's text, or the answer to what cannot be used. Never raises.

    Args:
        name: The tool's name, for the log.
        arguments: JSON text from the model; "" counts as {}.
        reader: Gives keyword arguments from JSON text, or raises `ValidationError`.
        expose: Whether the model may read what validators of the user's raise.
    """
    started = time.monotonic()
    try:
        return _read(reader, arguments)
    except BaseException as exc:  # a type's own validators are the user's code
        return _failed(name, exc, started, expose=expose)


def answer(
    name: str,
    fn: Callable[..., Any],
    arguments: dict[str, Any],
    context: ToolContext,
    *,
    expose: bool = False,
) -> Outcome:
    """Calls the function, writes its result. Never raises.

    Runs the function on the calling thread; a coroutine in an event loop of its own.

    Args:
        name: The tool's name, for the log.
        fn: The tool's function.
        arguments: As `read` gives them.
        context: Whose `abandon()` ends a coroutine.
        expose: Whether the model may read what the function raises.
    """
    started = time.monotonic()
    try:
        value = finished(fn(**arguments), context)
        silent = isinstance(value, NoReply)
        output = text_of(value.value if silent else value)
    # The one safety net: a call that is not answered leaves the model mute, so SystemExit, a
    # cancelled coroutine and a KeyboardInterrupt raised by hand are answers too.
    except BaseException as exc:
        return _failed(name, exc, started, expose=expose, ended=was_ended(exc, context))
    return Outcome(output, None, not silent, seconds=time.monotonic() - started)


def _failed(
    name: str, exc: BaseException, started: float, *, expose: bool, ended: bool = False
) -> Outcome:
    kind, message = _shown(exc)
    error = f"{kind}: {_said(exc)}"
    if expose and kind == "tool_failed":
        message = _said(exc)
    if not ended:  # by us, since nobody waits; that is no news
        _report(name, kind, error, exc)
    output = _cut(error_text(kind, message))
    return Outcome(output, error, True, exception=exc, seconds=time.monotonic() - started)


class _BadArguments(Exception):
    """What the model sent cannot be used; the text says why."""


class _BadResult(ToolError):
    """What the tool returned cannot be written as text; the text says why."""


def _read(read: Callable[[bytes], dict[str, Any]], arguments: str) -> dict[str, Any]:
    # surrogatepass: half a surrogate pair is then refused as JSON, like everything malformed
    text = arguments.encode("utf-8", "surrogatepass")
    if len(text) > MAX_ARGUMENTS:
        raise _BadArguments(f"{len(text)} bytes of arguments; at most {MAX_ARGUMENTS} are read")
    text = text if text.strip() else b"{}"
    try:
        # what takes any value would take NaN and Infinity too, which are no JSON
        from_json(text, allow_inf_nan=False)
    except ValueError as exc:
        raise _BadArguments(f"Invalid JSON: {exc}") from exc
    try:
        return read(text)
    except ValidationError as exc:
        raise _BadArguments(_problems(exc)) from exc


def _problems(exc: ValidationError) -> str:
    # neither input nor url: the model knows what it sent, and pays for every word
    errors = exc.errors(include_url=False, include_input=False, include_context=False)
    lines = [_problem(error["loc"], error["msg"]) for error in errors[:MAX_PROBLEMS]]
    if len(errors) > MAX_PROBLEMS:
        lines.append(f"and {len(errors) - MAX_PROBLEMS} more")
    return "; ".join(lines)


def _problem(where: tuple[int | str, ...], message: str) -> str:
    path = ".".join(map(str, where))
    line = f"{path}: {message}" if path else message
    return line if len(line) <= MAX_PROBLEM else f"{line[:MAX_PROBLEM]}…"


def finished(value: Any, context: ToolContext) -> Any:
    """The value itself, or what it becomes once awaited, in an event loop of its own.

    Args:
        value: What the user's function has returned.
        context: Whose `abandon()` ends it.
    """
    if not inspect.isawaitable(value):
        return value
    waiting = _awaited(value, context)
    try:
        return asyncio.run(waiting)
    finally:
        # asyncio.run refuses inside a running loop; what it refused must not warn when collected
        waiting.close()
        if inspect.iscoroutine(value):
            value.close()


async def _awaited(value: Awaitable[Any], context: ToolContext) -> Any:
    task, loop = asyncio.current_task(), asyncio.get_running_loop()
    assert task is not None
    with context._ended_by(lambda: loop.call_soon_threadsafe(task.cancel)):
        return await value


def was_ended(exc: BaseException, context: ToolContext) -> bool:
    """Whether that is how a coroutine came to its end which nobody waits for any more."""
    return isinstance(exc, asyncio.CancelledError) and context.cancelled.is_set()


def text_of(value: Any) -> str:
    """A result as the model reads it: str as it is, everything else as JSON; at most 32 KiB.

    Raises:
        ToolError: It cannot be written; says which type it has.
    """
    return _cut(_text(value))


def _text(value: Any) -> str:
    if isinstance(value, enum.Enum):
        value = value.value
    if isinstance(value, str):
        return str.__str__(value)
    if isinstance(value, Iterator):
        _refuse(value)  # it would be run through, and may have no end
    try:
        return to_json(value, inf_nan_mode="null", fallback=_plain).decode()
    except (ValueError, TypeError) as exc:  # PydanticSerializationError is a ValueError
        _refuse(value, exc)


def _plain(value: Any) -> Any:
    """Numbers and arrays of numpy and its kin, as Python's own."""
    made = getattr(value, "tolist", None)
    if made is None or inspect.isclass(value):
        raise TypeError(type(value).__name__)
    return made()


def _refuse(value: Any, cause: Exception | None = None) -> NoReturn:
    name = type(value).__name__
    raise _BadResult(f"the tool's result, of type {name}, cannot be written as JSON") from cause


def _cut(text: str) -> str:
    """At most MAX_OUTPUT bytes of UTF-8, the notice included."""
    raw = text.encode("utf-8", "replace")  # half a surrogate pair would not pass the socket
    if len(raw) <= MAX_OUTPUT:
        return raw.decode()
    notice = f"\n[cut: this is the beginning of {len(raw)} bytes]"
    return raw[: MAX_OUTPUT - len(notice)].decode("utf-8", "ignore") + notice


# the first class that fits: its name on the wire, and what the model may read of it
_SHOWN: Final[tuple[tuple[type[BaseException], str, str], ...]] = (
    (_BadArguments, "invalid_arguments", "{}"),
    (_BadResult, "invalid_result", "{}"),
    (ToolRetry, "retry", "{}; correct this and call the tool again"),
    (ToolError, "tool_error", "{}"),
    (BaseException, "tool_failed", "the tool failed"),
)


def _shown(exc: BaseException) -> tuple[str, str]:
    kind, form = next((kind, form) for type_, kind, form in _SHOWN if isinstance(exc, type_))
    return kind, form.format(_words(exc) or "the tool failed")


def _said(exc: BaseException) -> str:
    """The exception in a line, for the log; its type too where that says something."""
    words = _words(exc)
    if isinstance(exc, (_BadArguments, _BadResult, ToolError)):
        return words
    return f"{type(exc).__name__}: {words}" if words else type(exc).__name__


def _words(exc: BaseException) -> str:
    try:
        return str(exc)
    except Exception:  # its __str__ is the user's code as well
        return ""


def _report(name: str, kind: str, error: str, exc: BaseException) -> None:
    """Logged here and nowhere else; with its traceback where it was not raised on purpose."""
    if kind == "tool_failed":
        log.warning("tool %s failed; the model is told so, but not why", name, exc_info=exc)
        return
    log.info("tool %s answered with an error: %s", name, error)
