"""OpenTelemetry: spans and metrics of sessions, by the semantic conventions for generative AI.

::

    from realtime_sync.telemetry import instrument

    instrument()          # every session made from now on
    instrument(session)   # or this one

Off unless asked for: then nothing of it is loaded, and nothing listens. It needs the extra `otel`.
Spans are made where callbacks run, with the times at which it happened; no delta is looked at, and
no word of what was said, unless `content=True`.

A session's span, `realtime_session MODEL` (or transcription_, translation_, text_), lasts from
`open()` to its end, and knows of links that were lost. Within it are `chat MODEL`, one a response,
and in that, one a call, `execute_tool NAME`. Histograms: `gen_ai.client.token.usage`,
`gen_ai.client.operation.duration`, `gen_ai.client.operation.time_to_first_chunk`. The conventions
are those that call themselves experimental, of version 1.37 and later. `error.type` is the server's
code, or the name of an exception.

- `watcher` watches a session, and tells of it; `attributes` says what is told.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from .. import __version__
from ..errors import ConfigurationError
from ..living import Living, on_birth
from .watcher import Instruments, Watcher

if TYPE_CHECKING:
    from opentelemetry.metrics import MeterProvider
    from opentelemetry.trace import TracerProvider

__all__ = ["instrument"]


def instrument(
    session: Living | None = None,
    *,
    tracer_provider: TracerProvider | None = None,
    meter_provider: MeterProvider | None = None,
    content: bool = False,
) -> Callable[[], None]:
    """Tell OpenTelemetry what sessions do.

    A session's span is a child of the span that is current here, or, for all sessions, where the
    session is made. Nothing is told twice: a later call with the same providers, such as that of a
    notebook's cell that is run again, takes the place of the earlier one.

    Args:
        session: Which; None: every one that is made from now on.
        tracer_provider: Else the global one.
        meter_provider: Else the global one.
        content: Put into the spans what the model said, and the arguments and outputs of tools;
            but nothing that looks like a key.

    Returns:
        What ends it. Sessions that were made meanwhile are told of to their end.

    Raises:
        ConfigurationError: The package opentelemetry-api is missing, or that is no session.
    """
    if session is not None and not isinstance(session, Living):
        raise ConfigurationError(f"session: a RealtimeSession, say; not {type(session).__name__}")
    try:
        from opentelemetry import context, metrics, trace
    except ModuleNotFoundError as exc:
        raise ConfigurationError(
            'telemetry needs the package opentelemetry-api: pip install "realtime_sync[otel]"'
        ) from exc
    tracer = trace.get_tracer(__name__, __version__, tracer_provider)
    meter = metrics.get_meter(__name__, __version__, meter_provider)
    instruments = Instruments(meter)
    told = (tracer_provider, meter_provider)

    def begin(one: Living) -> Callable[[], None]:
        watcher = Watcher(one, tracer, instruments, context.get_current(), content=content)
        return _instead(_watched.setdefault(one, {}), told, watcher.end)

    return begin(session) if session is not None else _instead(_all, told, on_birth(begin))


_Ends = dict[tuple[Any, Any], Callable[[], None]]

#: What ends the telling of all sessions, by whom they are told to.
_all: _Ends = {}
#: The same of each session.
_watched: weakref.WeakKeyDictionary[Living, _Ends] = weakref.WeakKeyDictionary()


def _instead(ends: _Ends, told: tuple[Any, Any], end: Callable[[], None]) -> Callable[[], None]:
    """End what was told to the same providers before; what ends that now."""
    before, ends[told] = ends.get(told), end
    if before is not None:
        before()

    def ended() -> None:
        if ends.get(told) is end:
            del ends[told]
        end()

    return ended
