"""What OpenTelemetry is told, as its own exporters in memory have it."""

from __future__ import annotations

import gc
import subprocess
import sys
import threading
import time
import weakref
from collections.abc import Iterator
from typing import Any

import pytest
from pipe import LIMIT, Line, greeted, settled

from realtime_sync import Azure, RealtimeSession, ReconnectPolicy, ToolError, connect_translation
from realtime_sync.errors import ConfigurationError, ResponseFailed
from realtime_sync.local import LocalServer
from realtime_sync.telemetry import instrument

pytest.importorskip("opentelemetry.sdk", reason="needs: pip install opentelemetry-sdk")

from opentelemetry.sdk.metrics import MeterProvider  # after the skip
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import (
    InMemorySpanExporter,
)
from opentelemetry.semconv._incubating.attributes import gen_ai_attributes
from opentelemetry.semconv._incubating.metrics import gen_ai_metrics
from opentelemetry.trace import SpanKind, StatusCode

KNOWN = {value for value in vars(gen_ai_attributes).values() if isinstance(value, str)}
HISTOGRAMS = {
    gen_ai_metrics.GEN_AI_CLIENT_TOKEN_USAGE,
    gen_ai_metrics.GEN_AI_CLIENT_OPERATION_DURATION,
    gen_ai_metrics.GEN_AI_CLIENT_OPERATION_TIME_TO_FIRST_CHUNK,
}


class Telemetry:
    """Providers of our own, and what they were told."""

    def __init__(self) -> None:
        self._exporter = InMemorySpanExporter()
        self._reader = InMemoryMetricReader()
        tracing = TracerProvider()
        tracing.add_span_processor(SimpleSpanProcessor(self._exporter))
        self.tracing = tracing
        self.providers: Any = {
            "tracer_provider": tracing,
            "meter_provider": MeterProvider(metric_readers=[self._reader]),
        }

    def spans(self, begins: str = "") -> list[Any]:
        """The spans that have ended, whose name begins so; by their beginning."""
        ended = [one for one in self._exporter.get_finished_spans() if one.name.startswith(begins)]
        return sorted(ended, key=lambda one: one.start_time)

    def points(self, name: str) -> list[Any]:
        """The data points of a histogram."""
        data = self._reader.get_metrics_data()
        if data is None:
            return []
        return [
            point
            for resource in data.resource_metrics
            for scope in resource.scope_metrics
            for metric in scope.metrics
            if metric.name == name
            for point in metric.data.data_points
        ]


@pytest.fixture
def telemetry() -> Iterator[Telemetry]:
    """Told of nothing yet."""
    made = Telemetry()
    yield made
    for provider in made.providers.values():
        provider.shutdown()


def lookup(city: str) -> str:
    """Looks it up."""
    if city == "Atlantis":
        raise ToolError("there is no such city")
    return f"Rain in {city}."


def session_of(server: LocalServer, **arguments: Any) -> RealtimeSession:
    plain = {"output_modalities": ["text"], "tools": [lookup], "reconnect": None}
    return RealtimeSession("gpt-x", endpoint=server.endpoint, **{**plain, **arguments})


def test_a_turn(server: LocalServer, telemetry: Telemetry) -> None:
    """A session, in it its responses, in the one that called the tool; with times and tokens."""
    server.reply(server.call("lookup", city="Oslo"), "Take an umbrella.")
    before = time.time_ns()
    session = session_of(server)
    instrument(session, **telemetry.providers)
    with session:
        answer = session.ask("What do I need in Oslo?")
        name = session.id
    whole, first, called, second = telemetry.spans()
    assert [one.name for one in telemetry.spans()] == [
        "realtime_session gpt-x",
        "chat gpt-x",
        "execute_tool lookup",
        "chat gpt-x",
    ]
    assert before < whole.start_time <= first.start_time <= first.end_time <= second.start_time
    assert second.end_time <= whole.end_time <= time.time_ns()
    assert whole.parent is None
    assert first.parent.span_id == second.parent.span_id == whole.context.span_id
    assert called.parent.span_id == first.context.span_id
    kinds = [one.kind for one in (whole, first, called, second)]
    assert kinds == [SpanKind.CLIENT, SpanKind.CLIENT, SpanKind.INTERNAL, SpanKind.CLIENT]
    port = int(server.url.removesuffix("/v1").rpartition(":")[2])
    shared = {
        "gen_ai.provider.name": "openai",
        "gen_ai.request.model": "gpt-x",
        "gen_ai.response.model": "gpt-x",
        "gen_ai.conversation.id": name,
        "server.address": "127.0.0.1",
        "server.port": port,
    }
    assert answer.usage is not None
    told = dict(second.attributes)
    assert 0 < told.pop("gen_ai.response.time_to_first_chunk") < LIMIT
    told.pop("gen_ai.usage.cache_read.input_tokens")
    assert told == {
        **shared,
        "gen_ai.operation.name": "chat",
        "gen_ai.response.id": answer.id,
        "gen_ai.response.finish_reasons": ("stop",),
        "gen_ai.output.type": "text",
        "gen_ai.request.stream": True,
        "gen_ai.usage.input_tokens": answer.usage.input_tokens,
        "gen_ai.usage.output_tokens": answer.usage.output_tokens,
    }
    assert first.attributes["gen_ai.response.finish_reasons"] == ("tool_calls",)
    assert dict(called.attributes) == {
        "gen_ai.operation.name": "execute_tool",
        "gen_ai.provider.name": "openai",
        "gen_ai.tool.name": "lookup",
        "gen_ai.tool.type": "function",
        "gen_ai.tool.call.id": session.conversation.items[1].call_id,
    }
    usage = session.usage
    assert dict(whole.attributes) == {
        **shared,
        "gen_ai.operation.name": "realtime_session",
        "gen_ai.usage.input_tokens": usage.input_tokens,
        "gen_ai.usage.output_tokens": usage.output_tokens,
    }
    assert {one.status.status_code for one in telemetry.spans()} == {StatusCode.UNSET}


def test_names_are_those_of_the_conventions(server: LocalServer, telemetry: Telemetry) -> None:
    """Every gen_ai attribute, and every histogram, is one that OpenTelemetry knows."""
    server.reply(server.call("lookup", city="Atlantis"), RuntimeError("hiccups"))
    session = session_of(server, max_output_tokens=100)
    instrument(session, content=True, **telemetry.providers)
    with session, pytest.raises(ResponseFailed):
        session.ask("x")
    used = {name for one in telemetry.spans() for name in one.attributes}
    assert {name for name in used if name.startswith("gen_ai.")} <= KNOWN
    assert used - KNOWN == {"server.address", "server.port", "error.type"}
    for name in HISTOGRAMS:
        for point in telemetry.points(name):
            assert {n for n in point.attributes if n.startswith("gen_ai.")} <= KNOWN


def test_histograms(server: LocalServer, telemetry: Telemetry) -> None:
    """Tokens by their type, and how long responses, their first word and tools took."""
    server.reply("One.", server.call("lookup", city="Oslo"), "Two.")
    session = session_of(server)
    instrument(session, **telemetry.providers)
    with session:
        session.ask("a")
        session.ask("b")
    tokens = telemetry.points("gen_ai.client.token.usage")
    by_type = {point.attributes["gen_ai.token.type"]: point for point in tokens}
    assert {kind: point.sum for kind, point in by_type.items()} == {
        "input": session.usage.input_tokens,
        "output": session.usage.output_tokens,
    }
    assert {point.count for point in tokens} == {3}
    assert by_type["input"].explicit_bounds[:4] == (1, 4, 16, 64)
    assert by_type["input"].attributes["gen_ai.request.model"] == "gpt-x"
    durations = telemetry.points("gen_ai.client.operation.duration")
    counts = {point.attributes["gen_ai.operation.name"]: point.count for point in durations}
    assert counts == {"chat": 3, "execute_tool": 1}
    assert durations[0].explicit_bounds[-1] == 81.92
    (first,) = telemetry.points("gen_ai.client.operation.time_to_first_chunk")
    assert first.count == 2  # a call has no first word
    assert 0 < first.sum <= sum(point.sum for point in durations)


def test_failures(server: LocalServer, telemetry: Telemetry) -> None:
    """A response and a tool that fail are errors, with the kind of error; the session is none."""
    server.reply(server.call("lookup", city="Atlantis"), "No.", RuntimeError("hiccups"))
    session = session_of(server)
    instrument(session, **telemetry.providers)
    with session:
        session.ask("a")
        with pytest.raises(ResponseFailed):
            session.ask("b")
    (called,) = telemetry.spans("execute_tool")
    assert called.attributes["error.type"] == "tool_error"
    assert (called.status.status_code, called.status.description) == (
        StatusCode.ERROR,
        "tool_error",  # what the tool said of it is content
    )
    failed = telemetry.spans("chat")[-1]
    assert failed.attributes["error.type"] == "server_error"
    assert failed.attributes["gen_ai.response.finish_reasons"] == ("error",)
    assert failed.status.status_code is StatusCode.ERROR
    (whole,) = telemetry.spans("realtime_session")
    assert whole.status.status_code is StatusCode.UNSET
    kinds = [
        p.attributes.get("error.type") for p in telemetry.points(next(iter(sorted(HISTOGRAMS))))
    ]
    assert sorted(map(str, kinds)) == ["None", "server_error", "tool_error"]


def test_ends_of_other_kinds(server: LocalServer, telemetry: Telemetry) -> None:
    """Cancelled and incomplete responses are no errors; their reasons say which they are."""
    session = session_of(server, tools=[], output_modalities=["audio"], max_output_tokens=2)
    instrument(session, **telemetry.providers)
    server.script.hold(after=1)
    server.reply("one two three four five six", "one two three four five six seven")
    with session:
        running = session.response.create()
        next(running.text_deltas())
        session.response.cancel()
        session.ask("b")
    first, second = telemetry.spans("chat")
    assert first.attributes["gen_ai.response.finish_reasons"] == ("cancelled",)
    assert second.attributes["gen_ai.response.finish_reasons"] == ("length",)
    assert second.attributes["gen_ai.request.max_tokens"] == 2
    assert second.attributes["gen_ai.output.type"] == "speech"
    assert {one.status.status_code for one in (first, second)} == {StatusCode.UNSET}


def test_lost_links(line: Line, telemetry: Telemetry) -> None:
    """The session's span goes on; the response that was lost ends, as an error."""
    session = line.session(reconnect=ReconnectPolicy(delays=(0, 0), jitter=0))
    instrument(session, **telemetry.providers)
    first, second = greeted(), greeted()
    line.plan(first, second)
    session.open()
    first.begin(None, "r1")
    settled(session, first)
    with session.expect("connection.restored") as restored:
        first.cut(1012)
        restored.result(timeout=LIMIT)
    settled(session, second)
    (lost,) = telemetry.spans()
    assert (lost.attributes["gen_ai.response.id"], lost.attributes["error.type"]) == (
        "r1",
        "ConnectionLost",
    )
    assert lost.status.status_code is StatusCode.ERROR
    second.begin(None, "r2")
    settled(session, second)
    session.close()
    whole = telemetry.spans("realtime_session")[0]
    assert [event.name for event in whole.events] == ["connection.lost", "connection.restored"]
    assert [one.attributes["gen_ai.response.id"] for one in telemetry.spans("chat")] == ["r1", "r2"]


def test_a_session_that_is_lost_for_good(line: Line, telemetry: Telemetry) -> None:
    """Its span ends as an error."""
    session, pipe = line.open()
    instrument(session, **telemetry.providers)
    with session.expect("connection.closed") as closed:
        pipe.cut(1011)
        closed.result(timeout=LIMIT)
    session.close()
    (whole,) = telemetry.spans()
    assert whole.attributes["error.type"] == "ConnectionLost"
    assert whole.status.status_code is StatusCode.ERROR


def test_what_was_said_is_told_on_request_only(server: LocalServer, telemetry: Telemetry) -> None:
    """Without content=True no span has a word of it."""
    for content in (False, True):
        server.reply(server.call("lookup", city="Oslo"), "An umbrella.")
        session = session_of(server)
        instrument(session, content=content, **telemetry.providers)
        with session:
            session.ask("canary")
        spans = telemetry.spans()[-4:]
        shown = "".join(one.to_json() for one in spans)
        assert ("An umbrella." in shown) == ("Rain in Oslo." in shown) == content
    assert (
        '"arguments": "{\\"city\\": \\"Oslo\\"}"' in spans[1].attributes["gen_ai.output.messages"]
    )
    assert spans[2].attributes["gen_ai.tool.call.result"] == "Rain in Oslo."
    assert spans[2].attributes["gen_ai.tool.call.arguments"] == '{"city": "Oslo"}'


def test_no_key_is_told(server: LocalServer, telemetry: Telemetry) -> None:
    """With content=True neither: not of a call, its output, why it failed, nor of the reply."""

    def reveal(key: str) -> str:
        """Reveals it."""
        if key == "none":
            raise ToolError("there is none but sk-canary-canary")
        return f"not {key}, but sk-canary-canary"

    calls = [server.call("reveal", key=key) for key in ("sk-canary-12345678", "none")]
    server.reply(calls, "It is sk-canary-canary.")
    session = session_of(server, tools=[reveal])
    instrument(session, content=True, **telemetry.providers)
    with session:
        assert "canary" in session.ask("Which?").text
    shown = "".join(one.to_json() for one in telemetry.spans())
    assert shown.count("…") + shown.count("\\u2026") >= 5
    assert "canary" not in shown


def test_twice(server: LocalServer, telemetry: Telemetry) -> None:
    """A cell that is run again has nothing told twice; another provider is told for itself."""
    other = Telemetry()
    first, second = (instrument(**telemetry.providers) for _ in range(2))
    third = instrument(**other.providers)
    session = session_of(server)
    instrument(session, content=True, **telemetry.providers)
    first()
    with session:
        session.ask("Hello!")
    second()
    with session_of(server) as later:
        later.ask("Hello!")
    third()  # else the sessions of all later tests would be told of, too
    assert [one.name for one in telemetry.spans()] == ["realtime_session gpt-x", "chat gpt-x"]
    assert "gen_ai.output.messages" in telemetry.spans("chat")[0].attributes
    assert {point.count for point in telemetry.points("gen_ai.client.token.usage")} == {1}
    assert len(other.spans("chat")) == 2


@pytest.mark.filterwarnings("ignore:a session was not closed")
def test_a_session_that_was_never_closed(server: LocalServer, telemetry: Telemetry) -> None:
    """Its span ends when nobody holds it any more."""
    session = session_of(server)
    end = instrument(session, **telemetry.providers)
    told = threading.Event()
    session.on("session.created", lambda _: told.set())  # after telemetry's own
    session.open()
    assert told.wait(LIMIT)
    del session
    ends = time.monotonic() + LIMIT
    while not telemetry.spans() and time.monotonic() < ends:
        gc.collect()  # the thread of callbacks may hold it for a moment more
    (whole,) = telemetry.spans()
    assert whole.name == "realtime_session gpt-x"
    end()


def test_all_sessions(server: LocalServer, telemetry: Telemetry) -> None:
    """Without a session: all that are made from then on, under what is current there."""
    before = session_of(server)
    end = instrument(**telemetry.providers)
    with telemetry.tracing.get_tracer("app").start_as_current_span("request") as request:
        within = session_of(server)
    other = connect_translation("es", endpoint=server.endpoint)
    end()
    end()
    after = session_of(server)
    for session in (before, within, after):
        with session:
            session.ask("Hello!")
    other.close()
    assert [one.name for one in telemetry.spans("chat")] == ["chat gpt-x"]
    (whole,) = telemetry.spans("realtime_session gpt-x")
    assert whole.parent.span_id == request.get_span_context().span_id
    (translation,) = telemetry.spans("translation_session gpt-realtime-translate")
    assert translation.parent is None


def test_it_can_be_ended(server: LocalServer, telemetry: Telemetry) -> None:
    """What is ended listens no more; the session's span ends then."""
    session = session_of(server)
    with session:
        end = instrument(session, **telemetry.providers)
        told = threading.Event()
        session.on("response.metrics", lambda _: told.set())  # after telemetry's own
        session.ask("a")
        assert told.wait(LIMIT)
        end()
        session.ask("b")
    assert [one.name for one in telemetry.spans()] == ["realtime_session gpt-x", "chat gpt-x"]


def test_it_keeps_no_session(telemetry: Telemetry) -> None:
    """A session that nobody holds any more goes, watched or not."""
    session = RealtimeSession(api_key="sk-x")
    instrument(session, **telemetry.providers)
    gone = weakref.ref(session._connection)
    gc.collect()
    gc.disable()
    try:
        del session
        without_us = RealtimeSession(api_key="sk-x")
        kept = weakref.ref(without_us._connection)
        del without_us
        assert (gone() is None) == (kept() is None)
    finally:
        gc.enable()


def test_what_is_no_session() -> None:
    """Anything else is refused."""
    with pytest.raises(ConfigurationError, match="not str"):
        instrument("session")  # type: ignore[arg-type]  # that is what is tested


def test_text_models(server: LocalServer, telemetry: Telemetry) -> None:
    """A chat with a text model is told of like any session."""
    pytest.importorskip("openai", reason="needs: pip install openai")
    from realtime_sync.text import ChatSession

    server.reply("Hi there.")
    end = instrument(**telemetry.providers)
    with ChatSession("gpt-x", base_url=server.url, api_key="any") as chat:
        chat.ask("Hello!")
    end()
    assert [one.name for one in telemetry.spans()] == ["text_session gpt-x", "chat gpt-x"]


def test_azure_has_its_name(server: LocalServer, telemetry: Telemetry) -> None:
    """The provider is the endpoint's."""
    azure = Azure(server.url.removesuffix("/v1"), "my-deployment", api_key="any")
    session = RealtimeSession(endpoint=azure, output_modalities=["text"])
    instrument(session, **telemetry.providers)
    with session:
        session.ask("Hello!")
    names = {one.attributes["gen_ai.provider.name"] for one in telemetry.spans()}
    assert names == {"azure.ai.openai"}


def test_global_providers(server: LocalServer) -> None:
    """Without providers the global ones are told; where there are none, nobody, at no harm."""
    session = session_of(server)
    instrument(session)
    with session:
        session.ask("Hello!")


def test_nothing_is_loaded_unasked() -> None:
    """A session that nobody instruments loads nothing of it; a missing package is named."""
    code = (
        "import sys; from realtime_sync import RealtimeSession; RealtimeSession(api_key='x')\n"
        "assert not [n for n in sys.modules if 'opentelemetry' in n or 'telemetry' in n]\n"
        "sys.modules['opentelemetry'] = None\n"
        "from realtime_sync.telemetry import instrument\n"
        "try: instrument()\n"
        "except ValueError as exc: print(exc)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True
    )
    assert 'pip install "realtime_sync[otel]"' in done.stdout
    assert issubclass(ConfigurationError, ValueError)
