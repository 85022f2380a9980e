"""A job tried once, where the executor runs it. What it gives back is plain data, whatever happens.

A worker's sessions are metered without its help: those made in its thread report what they used,
and what the server said of its limits. One that it has left open is closed.
"""

from __future__ import annotations

import atexit
import concurrent.futures.thread  # noqa: F401  # before us: see `_end_pauses`
import contextvars
import json
import os
import platform
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from ..core.usage import RateLimit as Told
from ..errors import (
    AuthenticationError,
    ConfigurationError,
    ConnectError,
    ConnectionLost,
    NotFound,
    PermissionDenied,
    RateLimited,
    RealtimeTimeout,
    ResponseFailed,
    ServerError,
    SessionClosed,
)
from ..living import Living, on_birth
from ..runtime.clock import Deadline, Event, monotonic
from .job import Outcome
from .limits import asked_to_wait

__all__ = ["Attempt", "attempt", "give_up", "pause", "refusal", "told_of"]

#: Never pass, whichever job meets them: they end the run. Source: wire.md (g).
_FATAL = ("insufficient_quota", "credit_balance_exhausted", "invalid_api_key", "model_not_found")
_LIMITED = ("rate_limit_exceeded", "inference_rate_limit_exceeded")
#: May pass.
_PASSING = (ConnectError, ConnectionLost, SessionClosed, RealtimeTimeout, OSError)
_LASTING = (ConfigurationError, NotFound, PermissionDenied)
_TEXT_MOST = 2_000  # characters of an error's message
_PAUSE_MOST = 300.0
_PAUSE_HERE = 5.0  # longer ones are not for an executor's worker
_GOODBYE = 1.0  # seconds for sessions that nobody waits for any more
_MINUTES_MOST = 1e15
_TOKENS_MOST = 10**15
_DEPTH_MOST = 200  # of lists and dicts in each other
_DEEP = f"the worker gave a value nested over {_DEPTH_MOST} deep; give its JSON as a text"


@dataclass(frozen=True, slots=True)
class Attempt:
    """What came of it.

    Attributes:
        status, text, value, error, worker, seconds, tokens, requests, minutes: As of `Result`.
        fate: "" where that is what became of the job; "again": what failed may pass; "limited":
            the server says it is too much; "fatal": no other job would fare better; "given up":
            the run was stopped.
        wait: Seconds that the server wants to be left alone; None: it did not say.
        told: What it said last of its limits.
    """

    status: str
    text: str | None = None
    value: Any = None
    error: dict[str, Any] | None = None
    seconds: float = 0.0
    tokens: int = 0
    requests: int = 0
    minutes: float = 0.0
    worker: str = ""
    fate: str = ""
    wait: float | None = None
    told: tuple[Told, ...] = ()


@dataclass(slots=True)
class _Meter:
    """The sessions of one attempt, as they were made."""

    sessions: list[tuple[Living, float]] = field(default_factory=list)
    given_up: Event = field(default_factory=Event)  # nobody waits for it any more

    def close(self) -> None:
        for session, _ in self.sessions:
            session.close()

    def give_up(self) -> None:
        self.given_up.set()
        for session, _ in tuple(self.sessions):
            session._connection._begin_closing(Deadline(_GOODBYE))


#: By the number of its attempt; those that run in this process.
_meters: dict[str, _Meter] = {}
_meter: contextvars.ContextVar[_Meter | None] = contextvars.ContextVar("meter", default=None)
#: Not before then does anything begin in this process, as far as a server is concerned.
_quiet_until = 0.0


def _born(session: Living) -> None:
    meter = _meter.get()
    if meter is not None:
        meter.sessions.append((session, monotonic()))
        if meter.given_up.is_set():
            meter.give_up()


on_birth(_born)

_ending = False  # the program is


def _end_pauses() -> None:
    """The program ends, and waits for the threads of executors before it comes to `atexit`."""
    global _ending
    _ending = True
    for meter in tuple(_meters.values()):
        meter.given_up.set()


# has no public name; called in reverse order, so before executors join their threads
getattr(threading, "_register_atexit", atexit.register)(_end_pauses)


def give_up(number: str) -> None:
    """The run is stopped: what this attempt waits for ends now. From any thread; never blocks.

    One that runs in another process is left alone.
    """
    meter = _meters.get(number)
    if meter is not None:
        meter.give_up()


def attempt(worker: Callable[[Any], Any], job: Any, number: str) -> Attempt:
    """Call the worker.

    Args:
        worker: Gives a text, a `Response`, an `Outcome`, or anything that JSON can say.
        job: Its argument.
        number: Of the attempt: Dask takes calls with the same arguments for the same call.
    """
    left = _quiet_until - monotonic()
    if left > _PAUSE_HERE:  # the run waits, and can be stopped meanwhile
        told = f"the server wants to be left alone for {left:.0f} s more"
        error = {"type": "RateLimited", "message": told, "code": "rate_limit_exceeded"}
        return Attempt("failed", error=error, fate="limited", wait=left)
    meter = _meters[number] = _Meter()
    if _ending:
        meter.given_up.set()
    token = _meter.set(meter)
    began = monotonic()
    outcome, raised = None, None
    try:
        pause()
        began = monotonic()
        outcome = _outcome(worker(job))
    except (Exception, SystemExit) as exc:  # a job that ends the program is one that fails
        raised = exc
    finally:
        del _meters[number]
        _meter.reset(token)
        meter.close()
    return _measured(meter, monotonic() - began, outcome, raised)


def _outcome(given: Any) -> Outcome:
    """What a worker gave, as an `Outcome` of what JSON says: texts, numbers, lists and dicts.

    Raises:
        TypeError: It cannot.
    """
    from ..response import Response

    if isinstance(given, Response):
        if given.status == "failed":
            given.raise_for_status()
        return Outcome(given.text, status=given.status or "completed")
    made = given if isinstance(given, Outcome) else None
    if made is None:
        made = Outcome(given) if isinstance(given, str) else Outcome(value=given)
    if not isinstance(made.status, str):
        raise TypeError(f"the worker gave an Outcome: status: a text, not {made.status!r}")
    if not isinstance(made.text, (str, type(None))):
        raise TypeError(f"the worker gave an Outcome: text: a text or None, not {made.text!r}")
    minutes = 0.0 if made.minutes is None else made.minutes
    fits = isinstance(minutes, (int, float)) and not isinstance(minutes, bool)
    if not (fits and 0 <= minutes <= _MINUTES_MOST):
        raise TypeError(f"the worker gave an Outcome: minutes: a number from 0 on, not {minutes!r}")
    try:
        # a type of the worker's own may be one that cannot be read back elsewhere
        said = json.dumps([made.text, made.value, made.status], allow_nan=False)
        text, value, status = json.loads(said)
    except (TypeError, ValueError) as exc:
        raise TypeError(
            f"the worker gave {type(made.value).__name__}, which JSON cannot say: {exc}; give a"
            " text, a Response, an Outcome, or dicts, lists, numbers and texts"
        ) from exc
    except RecursionError:
        raise TypeError(_DEEP) from None
    _check_depth(value)
    return Outcome(text, value, status, None if made.minutes is None else float(made.minutes))


def _check_depth(value: Any) -> None:
    """See that whoever is deep in a program of his own can read it."""
    level = [value]
    for _ in range(_DEPTH_MOST):
        nests = [one for one in level if isinstance(one, (dict, list))]
        if not nests:
            return
        level = [part for one in nests for part in (one.values() if isinstance(one, dict) else one)]
    raise TypeError(_DEEP)


def _measured(
    meter: _Meter, seconds: float, outcome: Outcome | None, error: BaseException | None
) -> Attempt:
    now = monotonic()
    used = [session.usage for session, _ in meter.sessions]
    told = {name: one for session, _ in meter.sessions for name, one in session.rate_limits.items()}
    open_for = sum(now - moment for _, moment in meter.sessions) / 60
    spent: dict[str, Any] = {
        "seconds": round(seconds, 6),
        # whatever a server has said, the results file can hold it
        "tokens": min(
            max(0, sum(one.total_tokens + one.transcription_tokens for one in used)), _TOKENS_MOST
        ),
        "requests": max(1, sum(one.responses for one in used)),
        "minutes": round(open_for, 6),
        "worker": f"{platform.node()}:{os.getpid()}",
        "told": tuple(told.values()),
    }
    if outcome is not None:
        if outcome.minutes is not None:
            spent["minutes"] = outcome.minutes
        return Attempt(outcome.status, outcome.text, outcome.value, **spent)
    assert error is not None
    try:
        fate, wait = fate_of(error)
    except Exception:  # as in `told_of`
        fate, wait = "", None
    if meter.given_up.is_set():
        fate = "given up"
    if fate == "limited":
        refusal(error)
    return Attempt("failed", error=told_of(error), fate=fate, wait=wait, **spent)


def told_of(error: BaseException) -> dict[str, Any]:
    """What a result tells of an error: type, message and code. Never raises."""
    name = type(error).__name__
    try:
        message, code = str(error), _code(error)
    except BaseException as exc:  # its own methods are a worker's, too
        message, code = f"it cannot be told: {type(exc).__name__}", None
    return {"type": name, "message": (message or name)[:_TEXT_MOST], "code": code}


def _code(error: BaseException) -> str | None:
    code = getattr(error, "code", None)
    return code[:_TEXT_MOST] if isinstance(code, str) else None


def fate_of(error: BaseException) -> tuple[str, float | None]:
    """What is to be done about an error, and after how many seconds, if it says so."""
    code, body = _code(error), str(getattr(error, "body", ""))
    if code in _FATAL or any(word in body for word in _FATAL):
        return "fatal", None
    if isinstance(error, AuthenticationError):
        return "fatal", None
    if isinstance(error, RateLimited) or code in _LIMITED or getattr(error, "status", 0) == 429:
        asked = getattr(error, "retry_after", None)
        said = f"{error} {getattr(error, 'message', '')} {body}"
        return "limited", asked if isinstance(asked, (int, float)) else asked_to_wait(said)
    if isinstance(error, _LASTING):
        return "", None
    if isinstance(error, (ResponseFailed, ServerError)):
        # the server's own fault may pass, what it finds fault with does not
        passing = getattr(error, "type", None) == "server_error" or code == "server_error"
        return ("again" if passing else ""), None
    if isinstance(error, OSError) and not isinstance(error, ConnectionError):
        return ("again" if isinstance(error, TimeoutError) else ""), None
    return ("again" if isinstance(error, _PASSING) else ""), None


def refusal(error: BaseException) -> float | None:
    """Seconds to wait if the server said that it was too much, else None.

    All of this process wait as long: see `pause`.
    """
    global _quiet_until
    fate, wait = fate_of(error)
    if fate != "limited":
        return None
    seconds = 1.0 if wait is None else min(wait, _PAUSE_MOST)
    _quiet_until = max(_quiet_until, monotonic() + seconds)
    return seconds


def pause() -> None:
    """Wait until the server does not mind any more, whichever job of this process it told so.

    Raises:
        SessionClosed: The run is stopped, or the program ends: neither waits so long.
    """
    meter = _meter.get() or _Meter()
    while (left := _quiet_until - monotonic()) > 0:
        if meter.given_up.wait(min(left, _PAUSE_MOST)):
            raise SessionClosed("the run is stopped, or the program ends")
