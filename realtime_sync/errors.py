"""Every exception of the library. Knows nothing of sockets, threads or events' classes.

::

    RealtimeError
    ├── ConfigurationError (ValueError)     what you asked for cannot be; nothing was sent
    ├── ConnectError (ConnectionError)      the link could not be made; .status, .body
    │   ├── AuthenticationError             401, or the server refused the key
    │   ├── PermissionDenied                403
    │   ├── NotFound                        404: no such path, model or call
    │   └── RateLimited                     429
    ├── ConnectionLost (ConnectionError)    the link broke; .code, .reason, .response
    ├── SessionClosed                       not opened yet, or closed; also in a forked child
    │   └── BudgetExceeded                  max_duration or max_tokens; .limit, .response
    ├── ServerError                         the server refused; .code .type .param .event_id .event
    ├── ResponseActive                      on_active="raise" met a running response; .response
    ├── ResponseFailed                      .response, .code, .type, .message
    ├── ResponseIncomplete                  .response
    ├── ResponseCancelled                   .response
    ├── RealtimeTimeout (TimeoutError)      the time given to a blocking call has passed
    ├── WouldDeadlock (RuntimeError)        a blocking call inside a tap
    ├── ProtocolError                       the peer broke WebSocket or event rules
    ├── QueueFull                           no room in the writer queue
    ├── AudioError
    │   ├── AudioUnavailable                an audio package is not installed
    │   ├── DeviceNotFound
    │   └── DeviceLost
    ├── RecordingError (ValueError)         a recording that cannot be read: .path, .line
    └── ToolError                           raise it in a tool: its text goes to the model
        └── ToolRetry                       the same, asking the model to try again

All of them pickle. No message ever holds a key.
"""

from __future__ import annotations

import copy
from typing import Any, TypeVar

__all__ = [
    "RealtimeError",
    "ConfigurationError",
    "ConnectError",
    "AuthenticationError",
    "PermissionDenied",
    "NotFound",
    "RateLimited",
    "ConnectionLost",
    "SessionClosed",
    "BudgetExceeded",
    "ServerError",
    "ResponseActive",
    "ResponseFailed",
    "ResponseIncomplete",
    "ResponseCancelled",
    "RealtimeTimeout",
    "WouldDeadlock",
    "ProtocolError",
    "QueueFull",
    "AudioError",
    "AudioUnavailable",
    "DeviceNotFound",
    "DeviceLost",
    "RecordingError",
    "ToolError",
    "ToolRetry",
]


class RealtimeError(Exception):
    """Base of every exception that this library raises."""

    def __reduce__(self) -> tuple[Any, ...]:
        # keyword-only attributes would be lost by the default, which calls cls(*args)
        state = dict(self.__dict__)
        response = state.get("response")
        if response is not None and not getattr(response, "done", True):
            state["response"] = None  # a handle that still runs does not leave the process
        return _rebuild, (type(self), self.args, state)


def _rebuild(cls: type[RealtimeError], args: tuple[Any, ...], state: dict[str, Any]) -> Any:
    error = cls(*args)
    error.args = args
    error.__dict__.update(state)
    return error


E = TypeVar("E", bound=RealtimeError)


def copy_of(error: E, response: Any = None) -> E:
    """The same error for one more waiter: a shared one would collect everybody's tracebacks.

    Args:
        error: What happened.
        response: The response this waiter was waiting for, if the error can hold one.
    """
    own = copy.copy(error)
    own.__cause__ = error.__cause__
    if hasattr(own, "response"):
        own.response = response
    return own


class ConfigurationError(RealtimeError, ValueError):
    """What was asked for cannot be; nothing was sent. The message names the field and the cure.
    Cure: Change the argument that the message names.
    """


class ConnectError(RealtimeError, ConnectionError):
    """The link could not be made.
    Cure: See that the URL is right and the server up; `.status` and `.body` say what it answered.

    Attributes:
        status: HTTP status of the refused handshake, None where it never came to one.
        body: The refusal's body as text, at most 64 KiB; "" where there was none.
        retry_after: Seconds after which the server wants to be asked again; None where it did not
            say. A link that is made anew waits so long, a minute at most.
    """

    def __init__(self, message: str, *, status: int | None = None, body: str = "") -> None:
        super().__init__(message)
        self.status = status
        self.body = body
        self.retry_after: float | None = None

    @classmethod
    def for_status(cls, status: int, message: str, body: str = "") -> ConnectError:
        """The kind of error that an HTTP status stands for."""
        kind = _BY_STATUS.get(status, ConnectError)
        return kind(message, status=status, body=body)


class AuthenticationError(ConnectError):
    """The server did not accept the key.
    Cure: Check the key: `OPENAI_API_KEY`, `api_key=`, or the endpoint's.
    """


class PermissionDenied(ConnectError):
    """The key is valid but may not do this.
    Cure: Use a key, or a project, that may use this model.
    """


class NotFound(ConnectError):
    """No such path, model or call.
    Cure: Check the URL and the name of the model, the deployment or the call.
    """


class RateLimited(ConnectError):
    """Too many requests, or no quota left.
    Cure: Wait `.retry_after` seconds, or raise the quota.
    """


_BY_STATUS: dict[int, type[ConnectError]] = {
    401: AuthenticationError,
    403: PermissionDenied,
    404: NotFound,
    429: RateLimited,
}


class ConnectionLost(RealtimeError, ConnectionError):
    """The link broke.
    Cure: Ask again: `ask()` without arguments goes on from what came, which is in `.response`.

    Attributes:
        code: WebSocket close code; 1006 where the link ended without a close frame.
        reason: The peer's close reason, or what the system said.
        response: The `Response` that was under way, with the part that came; else None.
    """

    def __init__(
        self, message: str, *, code: int | None = None, reason: str = "", response: Any = None
    ) -> None:
        super().__init__(message)
        self.code = code
        self.reason = reason
        self.response = response


class SessionClosed(RealtimeError):
    """The session is not open: never opened, closed, or inherited over a fork.
    Cure: Open it: `with session:`. A closed session stays closed: make a new one.
    """


class BudgetExceeded(SessionClosed):
    """The session has ended since it has used up what it was given.
    Cure: Make a new session, or give this one more.

    Attributes:
        limit: The argument that says so: "max_duration" or "max_tokens".
        response: The `Response` that was under way, or the last of its turn; else None.
    """

    def __init__(self, message: str, *, limit: str = "", response: Any = None) -> None:
        super().__init__(message)
        self.limit = limit
        self.response = response


class ServerError(RealtimeError):
    """The server refused an event.
    Cure: See `.param` and `.code`, which say what was refused and why.

    Attributes:
        code: The server's code, e.g. "item_delete_invalid_item_id"; None if it gave none.
        type: The server's class of error, e.g. "invalid_request_error".
        param: Path of the offending field, e.g. "session.voice"; None if it gave none.
        event_id: Id of the client event that was refused; None if the server did not say.
        event: The `error` event itself.
    """

    def __init__(
        self,
        message: str,
        *,
        code: str | None = None,
        type: str | None = None,
        param: str | None = None,
        event_id: str | None = None,
        event: Any = None,
    ) -> None:
        super().__init__(message)
        self.code = code
        self.type = type
        self.param = param
        self.event_id = event_id
        self.event = event


class KeyRefused(ServerError, AuthenticationError):
    """The server let us in, and then did not accept the key: an `error` event says so."""


class RequestRefused(ServerError, ConnectError):
    """An HTTP API refused a request, for a reason that no other kind of `ConnectError` has."""

    def __init__(self, message: str, *, status: int | None = None, body: str = "") -> None:
        ServerError.__init__(self, message)
        self.status = status
        self.body = body
        self.retry_after = None


def refusal(event: Any) -> ServerError:
    """The exception that an `error` event of the server's is."""
    details = event.error
    kind = KeyRefused if details.code == "invalid_api_key" else ServerError
    return kind(
        details.message or details.code or "the server refused an event",
        code=details.code,
        type=details.type,
        param=details.param,
        event_id=details.event_id,
        event=event,
    )


class ResponseError(RealtimeError):
    """Base of the errors that carry a response."""

    def __init__(self, message: str, *, response: Any = None) -> None:
        super().__init__(message)
        self.response = response


class ResponseActive(ResponseError):
    """`on_active="raise"` met a response that is running or queued.
    Cure: Wait for it, or say `on_active="queue"` or `"cancel"`.
    """


class ResponseFailed(ResponseError):
    """The response ended as failed.
    Cure: Ask again; where `.code` speaks of quota or rate, later.

    Attributes:
        response: The `Response`, with what arrived.
        code: The server's code, e.g. "rate_limit_exceeded".
        type: The server's class of error.
        message: The server's words.
    """

    def __init__(
        self,
        text: str,
        *,
        response: Any = None,
        code: str | None = None,
        type: str | None = None,
        message: str | None = None,
    ) -> None:
        super().__init__(text, response=response)
        self.code = code
        self.type = type
        self.message = message


class ResponseIncomplete(ResponseError):
    """The response ended early: out of tokens, or stopped by the content filter.
    Cure: Raise `max_output_tokens`, or ask for less.
    """


class ResponseCancelled(ResponseError):
    """The response was cancelled, by a client or by the user's speech.
    Cure: None is needed where you, or the user, wanted it so; else ask again.
    """


class RealtimeTimeout(RealtimeError, TimeoutError):
    """The time given to a blocking call has passed. The session lives.
    Cure: Ask again, or give it more time by `timeout=`.
    """


class WouldDeadlock(RealtimeError, RuntimeError):
    """A blocking call inside a tap, which runs on the thread that would bring the answer.
    Cure: Make the call in a callback (`session.on`), or on a thread of your own.
    """


class ProtocolError(RealtimeError):
    """The peer broke the rules of WebSocket or of the event protocol.
    Cure: See what the server is: it does not speak the protocol. `session.record` shows it.

    Attributes:
        code: The WebSocket close code that answers it: 1002, 1007 or 1009.
    """

    def __init__(self, message: str, *, code: int = 1002) -> None:
        super().__init__(message)
        self.code = code


class QueueFull(RealtimeError):
    """No room in the writer queue within the time given; nothing of the call was queued.
    Cure: Wait for room, `append(..., timeout=seconds)`, or send less.
    """


class AudioError(RealtimeError):
    """Base of what can go wrong with sound.
    Cure: Give the file, format or rate that the message asks for.
    """


class AudioUnavailable(AudioError):
    """An audio package or library is not installed; the message says how to install it.
    Cure: Install what the message names: `pip install "realtime_sync[audio]"`, mostly.
    """


class DeviceNotFound(AudioError):
    """No such audio device. Cure: Take one of those that `realtime-sync devices` lists."""


class DeviceLost(AudioError):
    """An audio device went away while it was in use. Cure: Plug it in again and open it anew."""


class RecordingError(RealtimeError, ValueError):
    """A recording cannot be read, or written on: it is cut, spoilt, foreign, newer, or full.
    Cure: Record anew; what stands before `.line` can be read.

    Attributes:
        path: Of the file.
        line: The number of the line where it is so, the first is 1; None where it is none.
    """

    def __init__(self, message: str, *, path: str = "", line: int | None = None) -> None:
        super().__init__(message)
        self.path = path
        self.line = line


class ToolError(RealtimeError):
    """Raise it in a tool: its text, unlike that of other exceptions, is shown to the model.
    Cure: None is needed: the model reads the text and goes on.
    """


class ToolRetry(ToolError):
    """Raise it in a tool: its text tells the model why, and how, to try again.
    Cure: None is needed: the model corrects its call.
    """
