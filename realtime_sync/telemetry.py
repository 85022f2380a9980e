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
"""

from __future__ import annotations

import json
import time
import weakref
from collections import OrderedDict
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from . import __version__
from .errors import ConfigurationError
from .living import Living, on_birth
from .runtime.clock import monotonic

if TYPE_CHECKING:
    from opentelemetry.context import Context
    from opentelemetry.metrics import MeterProvider
    from opentelemetry.trace import Span, Tracer, TracerProvider

    from .core.usage import Metrics
    from .response import Response

__all__ = ["instrument"]

_SECONDS = (0.01, 0.02, 0.04, 0.08, 0.16, 0.32, 0.64, 1.28, 2.56, 5.12, 10.24, 20.48, 40.96, 81.92)
_TOKENS = tuple(float(4**power) for power in range(14))
#: Calls whose response is remembered: their spans are to be found under its.
_CALLS = 200
_REASONS = {"completed": "stop", "failed": "error"}
_INCOMPLETE = {"max_output_tokens": "length"}

Attributes = dict[str, Any]


def instrument(
    session: Living | None = None,
    *,
    tracer_provider: TracerProvider | None = None,
    meter_provider: MeterProvider | None = None,
    content: bool = False,
) -> Callable[[], None]:
    """Tell OpenTelemetry what sessions do.

    A session's span is a child of the span that is current here, or, for all sessions, where the
    session is made.

    Args:
        session: Which; None: every one that is made from now on.
        tracer_provider: Else the global one.
        meter_provider: Else the global one.
        content: Put into the spans what the model said, and the arguments and outputs of tools.

    Returns:
        What ends it.

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
    instruments = _Instruments(meter)

    def begin(one: Living) -> _Watcher:
        return _Watcher(one, tracer, instruments, context.get_current(), content=content)

    return begin(session).end if session is not None else on_birth(begin)


class _Instruments:
    """The histograms."""

    def __init__(self, meter: Any) -> None:
        self.tokens = meter.create_histogram(
            "gen_ai.client.token.usage",
            unit="{token}",
            description="Number of input and output tokens used.",
            explicit_bucket_boundaries_advisory=_TOKENS,
        )
        self.duration = meter.create_histogram(
            "gen_ai.client.operation.duration",
            unit="s",
            description="GenAI operation duration.",
            explicit_bucket_boundaries_advisory=_SECONDS,
        )
        self.first = meter.create_histogram(
            "gen_ai.client.operation.time_to_first_chunk",
            unit="s",
            description="Time from the request to the first text or audio.",
            explicit_bucket_boundaries_advisory=_SECONDS,
        )


class _Watcher:
    """Watches one session. All of it runs where its callbacks run."""

    def __init__(
        self,
        session: Living,
        tracer: Tracer,
        instruments: _Instruments,
        parent: Context,
        *,
        content: bool,
    ) -> None:
        self._session: Living = weakref.proxy(session)  # which holds us by its handlers
        self._tracer = tracer
        self._instruments = instruments
        self._parent = parent
        self._content = content
        self._span: Span | None = None  # the session's; None before it is there
        self._running: dict[str, Response] = {}  # responses without end yet, by id
        self._calls: OrderedDict[str, Context] = OrderedDict()  # call id -> its response's span
        self._handlers = {
            "session.created": self._created,
            "response.created": self._begun,
            "response.metrics": self._done,
            "tool.finished": self._called,
            "connection.lost": self._lost,
            "connection.restored": self._restored,
            "connection.closed": self._closed,
        }
        if session.state in ("open", "reconnecting"):
            self._created(None)
        for kind, fn in self._handlers.items():
            session.on(kind, fn)

    def end(self) -> None:
        """Watch it no more."""
        for kind, fn in self._handlers.items():
            self._session.off(kind, fn)
        self._finish({})

    # --- the session

    def _created(self, event: Any) -> None:
        if self._span is not None:
            return  # on another link; `connection.restored` says so
        from opentelemetry.trace import SpanKind

        operation = f"{self._session._setup.service}_session"
        common = self._common(operation)
        self._span = self._tracer.start_span(
            f"{operation} {common.get('gen_ai.request.model', '')}".rstrip(),
            context=self._parent,
            kind=SpanKind.CLIENT,
            attributes={**common, **self._conversation()},
            # of one that is open already it begins here
            start_time=_epoch(event and self._session._connection.opened),
        )

    def _lost(self, event: Any) -> None:
        error = event.error
        self._end_running(error)
        if self._span is not None and event.retrying:
            told = {"error.type": _kind(error), "message": str(error)}
            self._span.add_event("connection.lost", told)

    def _restored(self, event: Any) -> None:
        self._end_running(None)  # of a session that was reset
        if self._span is not None:
            told = {"lost_audio_ms": event.lost_audio_ms, **self._conversation()}
            self._span.add_event("connection.restored", told)

    def _closed(self, event: Any) -> None:
        self._end_running(event.error)
        self._finish({} if event.error is None else {"error.type": _kind(event.error)}, event.error)

    def _finish(self, attributes: Attributes, error: Any = None) -> None:
        span, self._span = self._span, None
        if span is None:
            return
        usage = self._session.usage
        spent = {"input_tokens": usage.input_tokens, "output_tokens": usage.output_tokens}
        span.set_attributes({f"gen_ai.usage.{name}": count for name, count in spent.items()})
        _end(span, attributes, error)

    # --- responses

    def _begun(self, event: Any) -> None:
        handles = getattr(self._session, "response", None)
        try:
            self._running[event.response.id] = handles.get(event.response.id)  # type: ignore[union-attr]
        except (AttributeError, KeyError):
            pass  # callbacks are so late that it is forgotten, or it has no id

    def _done(self, event: Any) -> None:
        response = self._running.pop(event.response_id, None)
        if response is not None:
            self._tell(response, event.metrics, None)

    def _end_running(self, error: Any) -> None:
        """They are lost, but for those whose end is told by a callback that is still to come."""
        for key, response in list(self._running.items()):
            if response.status == "lost":
                del self._running[key]
                self._tell(response, response.metrics, error)

    def _tell(self, response: Response, timed: Metrics | None, error: Any) -> None:
        from opentelemetry.trace import SpanKind, set_span_in_context

        times = response._record.timings
        began = times.asked if times.asked is not None else times.created
        common, failure = self._common("chat"), _failure(response, error)
        span = self._tracer.start_span(
            f"chat {common.get('gen_ai.request.model', '')}".rstrip(),
            context=self._within(),
            kind=SpanKind.CLIENT,
            attributes={**common, **self._conversation(), **_told(response, timed)},
            start_time=_epoch(began),
        )
        if self._content:
            span.set_attribute("gen_ai.output.messages", _messages(response))
        for call in response.function_calls:
            self._calls[call.call_id or ""] = set_span_in_context(span)
            if len(self._calls) > _CALLS:
                self._calls.popitem(last=False)
        _end(span, failure, error or response.status == "failed", _epoch(times.done))
        self._measure(response, timed, {**common, **failure})

    def _measure(self, response: Response, timed: Metrics | None, common: Attributes) -> None:
        if timed is not None and timed.done is not None:
            self._instruments.duration.record(timed.done, common)
        plain = {name: value for name, value in common.items() if name != "error.type"}
        first = _first(timed)
        if first is not None:
            self._instruments.first.record(first, plain)
        usage = response.usage
        for kind in ("input", "output"):
            count = getattr(usage, f"{kind}_tokens", None)
            if count is not None:
                self._instruments.tokens.record(count, {**plain, "gen_ai.token.type": kind})

    # --- tools

    def _called(self, event: Any) -> None:
        from opentelemetry.trace import SpanKind

        attributes = {
            "gen_ai.operation.name": "execute_tool",
            "gen_ai.provider.name": self._provider,
            "gen_ai.tool.name": event.name,
        }
        more = {"gen_ai.tool.call.id": event.call_id, "gen_ai.tool.type": "function"}
        if self._content:
            more["gen_ai.tool.call.result"] = event.output
        ended = _epoch(event.at)
        span = self._tracer.start_span(
            f"execute_tool {event.name}",
            context=self._calls.pop(event.call_id, self._within()),
            kind=SpanKind.INTERNAL,
            attributes={**attributes, **more},
            start_time=ended - int(event.seconds * 1e9),
        )
        failure = {} if event.error is None else {"error.type": _kind(event.error)}
        # why it failed may quote what was said
        _end(span, failure, event.error if self._content else bool(failure), ended)
        self._instruments.duration.record(event.seconds, {**attributes, **failure})

    # --- what all have in common

    def _within(self) -> Context:
        from opentelemetry.trace import set_span_in_context

        return self._parent if self._span is None else set_span_in_context(self._span)

    @property
    def _provider(self) -> str:
        return self._session._setup.provider

    def _common(self, operation: str) -> Attributes:
        model, place = self._session.config.model, self._session._setup.place
        attributes = {"gen_ai.operation.name": operation, "gen_ai.provider.name": self._provider}
        if model is not None:
            attributes |= {"gen_ai.request.model": model, "gen_ai.response.model": model}
        if place is not None:
            return {**attributes, "server.address": place[0], "server.port": place[1]}
        return attributes

    def _conversation(self) -> Attributes:
        known = self._session.id
        return {} if known is None else {"gen_ai.conversation.id": known}


def _epoch(moment: float | None) -> int:
    """A moment of the monotonic clock in nanoseconds since 1970; None: now."""
    now = time.time_ns()
    return now if moment is None else now - int((monotonic() - moment) * 1e9)


def _end(span: Span, attributes: Attributes, error: Any, ended: int | None = None) -> None:
    from opentelemetry.trace import Status, StatusCode

    span.set_attributes(attributes)
    if error:
        named = isinstance(error, (str, BaseException))
        said = str(error) if named else attributes.get("error.type")
        span.set_status(Status(StatusCode.ERROR, said))
    span.end(ended)


def _kind(error: Any) -> str:
    """What kind of error it is: the server's code, where it has a name, or its class."""
    if isinstance(error, str):  # of a tool: the kind, and why
        return error.partition(":")[0]
    code = getattr(error, "code", None)
    return code if isinstance(code, str) else type(error).__name__


def _failure(response: Response, error: Any) -> Attributes:
    if error is not None or response.status == "lost":
        return {"error.type": "ConnectionLost" if error is None else _kind(error)}
    if response.status != "failed":
        return {}
    details = response.status_details
    told = details.error if details is not None else None
    return {"error.type": (told and (told.code or told.type)) or "ResponseFailed"}


def _told(response: Response, timed: Metrics | None) -> Attributes:
    """What there is to say of a response that has ended, without its words."""
    wire, usage = response._record.object, response.usage
    details = usage.input_token_details if usage is not None else None
    modalities = wire.output_modalities or ()
    limit = wire.max_output_tokens
    known = {
        "gen_ai.response.id": response.id,
        "gen_ai.response.finish_reasons": (_reason(response),),
        "gen_ai.response.time_to_first_chunk": _first(timed),
        "gen_ai.output.type": modalities and ("speech" if "audio" in modalities else "text"),
        "gen_ai.request.max_tokens": limit if isinstance(limit, int) else None,
        "gen_ai.usage.input_tokens": usage and usage.input_tokens,
        "gen_ai.usage.output_tokens": usage and usage.output_tokens,
        "gen_ai.usage.cache_read.input_tokens": details and details.cached_tokens,
    }
    return {name: value for name, value in known.items() if value not in (None, ())}


def _reason(response: Response) -> str:
    if response.function_calls and response.status == "completed":
        return "tool_calls"
    details = response.status_details
    reason = details.reason if details is not None and response.status == "incomplete" else None
    known = _REASONS.get(response.status, response.status)
    return _INCOMPLETE.get(reason, reason) if reason else known


def _first(timed: Metrics | None) -> float | None:
    """Seconds to the first text or audio."""
    told = (timed.first_text, timed.first_audio) if timed is not None else ()
    return min((moment for moment in told if moment is not None), default=None)


def _messages(response: Response) -> str:
    parts: list[Attributes] = []
    if response.text:
        parts.append({"type": "text", "content": response.text})
    for call in response.function_calls:
        given = {"id": call.call_id, "name": call.name, "arguments": call.arguments}
        parts.append({"type": "tool_call", **given})
    message = {"role": "assistant", "parts": parts, "finish_reason": _reason(response)}
    return json.dumps([message], ensure_ascii=False)
