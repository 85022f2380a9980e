"""Watches one session, and tells OpenTelemetry of it. All of it runs where callbacks run."""

from __future__ import annotations

import weakref
from collections import OrderedDict
from typing import TYPE_CHECKING, Any

from ..living import Living
from ..recording.veil import unkeyed
from .attributes import Attributes, end, epoch, facts, failure_of, first_word, kind_of, messages

if TYPE_CHECKING:
    from opentelemetry.context import Context
    from opentelemetry.trace import Span, Tracer

    from ..core.usage import Metrics
    from ..response import Response

__all__ = ["Instruments", "Watcher"]

_SECONDS = (0.01, 0.02, 0.04, 0.08, 0.16, 0.32, 0.64, 1.28, 2.56, 5.12, 10.24, 20.48, 40.96, 81.92)
_TOKENS = tuple(float(4**power) for power in range(14))
#: Calls whose response is remembered: their spans are to be found under its.
_CALLS = 200


class Instruments:
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


class Watcher:
    """Watches one session."""

    def __init__(
        self,
        session: Living,
        tracer: Tracer,
        instruments: Instruments,
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
        # call id -> its response's span, and what it was called with
        self._calls: OrderedDict[str, tuple[Context, str]] = OrderedDict()
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
        # nobody tells us of the end of one that was never closed
        self._forgotten = weakref.finalize(session, self._finish, {})
        self._forgotten.atexit = False  # the session's own end comes then

    def end(self) -> None:
        """Watch it no more."""
        if self._forgotten.detach() is None:
            return  # it is no more
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
            start_time=epoch(event and self._session._connection.opened),
        )

    def _lost(self, event: Any) -> None:
        error = event.error
        self._end_running(error)
        if self._span is not None and event.retrying:
            told = {"error.type": kind_of(error), "message": str(error)}
            self._span.add_event("connection.lost", told)

    def _restored(self, event: Any) -> None:
        self._end_running(None)  # of a session that was reset
        if self._span is not None:
            told = {"lost_audio_ms": event.lost_audio_ms, **self._conversation()}
            self._span.add_event("connection.restored", told)

    def _closed(self, event: Any) -> None:
        self._end_running(event.error)
        told = {} if event.error is None else {"error.type": kind_of(event.error)}
        self._finish(told, event.error)

    def _finish(self, attributes: Attributes, error: Any = None) -> None:
        span, self._span = self._span, None
        if span is None:
            return
        if self._forgotten.alive:
            usage = self._session.usage
            spent = {"input_tokens": usage.input_tokens, "output_tokens": usage.output_tokens}
            span.set_attributes({f"gen_ai.usage.{name}": count for name, count in spent.items()})
        end(span, attributes, error)

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
        common, failure = self._common("chat"), failure_of(response, error)
        span = self._tracer.start_span(
            f"chat {common.get('gen_ai.request.model', '')}".rstrip(),
            context=self._within(),
            kind=SpanKind.CLIENT,
            attributes={**common, **self._conversation(), **facts(response, timed)},
            start_time=epoch(began),
        )
        if self._content:
            span.set_attribute("gen_ai.output.messages", unkeyed(messages(response)))
        for call in response.function_calls:
            given = unkeyed(call.arguments or "") if self._content else ""
            self._calls[call.call_id or ""] = set_span_in_context(span), given
            if len(self._calls) > _CALLS:
                self._calls.popitem(last=False)
        end(span, failure, error or response.status == "failed", epoch(times.done))
        self._measure(response, timed, {**common, **failure})

    def _measure(self, response: Response, timed: Metrics | None, common: Attributes) -> None:
        if timed is not None and timed.done is not None:
            self._instruments.duration.record(timed.done, common)
        plain = {name: value for name, value in common.items() if name != "error.type"}
        first = first_word(timed)
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
        within, given = self._calls.pop(event.call_id, (self._within(), ""))
        if self._content:
            more["gen_ai.tool.call.arguments"] = given
            more["gen_ai.tool.call.result"] = unkeyed(event.output)
        ended = epoch(event.at)
        span = self._tracer.start_span(
            f"execute_tool {event.name}",
            context=within,
            kind=SpanKind.INTERNAL,
            attributes={**attributes, **more},
            start_time=ended - int(event.seconds * 1e9),
        )
        failure = {} if event.error is None else {"error.type": kind_of(event.error)}
        # why it failed may quote what was said
        why = unkeyed(str(event.error)) if failure and self._content else bool(failure)
        end(span, failure, why, ended)
        self._instruments.duration.record(event.seconds, {**attributes, **failure})

    # --- what all have in common

    def _within(self) -> Context:
        from opentelemetry.trace import set_span_in_context

        return self._parent if self._span is None else set_span_in_context(self._span)

    @property
    def _provider(self) -> str:
        return self._session._setup.provider

    def _common(self, operation: str) -> Attributes:
        setup = self._session._setup
        model, asked, place = self._session.config.model, setup.asked_model, setup.place
        attributes = {"gen_ai.operation.name": operation, "gen_ai.provider.name": self._provider}
        for name, known in (("request", asked or model), ("response", model or asked)):
            if known is not None:
                attributes[f"gen_ai.{name}.model"] = known
        if place is not None:
            return {**attributes, "server.address": place[0], "server.port": place[1]}
        return attributes

    def _conversation(self) -> Attributes:
        known = self._session.id
        return {} if known is None else {"gen_ai.conversation.id": known}
