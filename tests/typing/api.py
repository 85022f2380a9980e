"""What a type checker must accept, and know, of the public API. Checked by mypy, never run."""

from __future__ import annotations

from concurrent.futures import Future

from typing_extensions import assert_type

from realtime_sync import (
    NOT_GIVEN,
    Agent,
    Azure,
    Compatible,
    Item,
    ItemTranscript,
    OpenAI,
    RealtimeSession,
    ReconnectPolicy,
    Response,
    SessionConfig,
    StageRouter,
    ToolContext,
    Transcript,
    TranscriptionSession,
    Translation,
    TranslationSession,
    connect,
    connect_transcription,
    connect_translation,
    items,
    tool,
)
from realtime_sync.errors import ConnectionLost, RealtimeError, ServerError
from realtime_sync.events import Event, ResponseDone, UnknownEvent
from realtime_sync.events.server import ResponseOutputTextDelta
from realtime_sync.text import (
    AssistantSession,
    ChatSession,
    RunStatus,
    UploadedFile,
    create,
    load,
)


def opening() -> None:
    assert_type(connect("gpt-realtime-2.1", instructions="x"), RealtimeSession)
    with RealtimeSession(api_key=lambda: "key", turn_detection=None, voice=NOT_GIVEN) as session:
        assert_type(session, RealtimeSession)
    assert_type(session.open(timeout=None), RealtimeSession)
    assert_type(session.state, str)
    assert_type(session.id, str | None)
    assert_type(session.config, SessionConfig)
    assert_type(session.expires_at, float | None)
    RealtimeSession(endpoint=[OpenAI("key"), Azure("https://h", "d", "key")])
    RealtimeSession(endpoint=Compatible("wss://h"), reconnect=ReconnectPolicy(delays=(0, 1)))
    RealtimeSession(dispatcher=lambda fn: fn())
    RealtimeSession(config={"type": "realtime"}, reconnect=None)


def turns(session: RealtimeSession) -> None:
    assert_type(session.ask("hello", timeout=5).text, str)
    assert_type(session.ask(audio=b"").audio, bytes)
    future: Future[Response] = session.submit("hello")
    assert_type(future.result().output, tuple[Item, ...])
    with session.stream("hello") as stream:
        for piece in stream:
            assert_type(piece, str)
        assert_type(stream.response, Response | None)


def responses(session: RealtimeSession) -> None:
    assert_type(session.response.create(instructions="x"), Response)
    assert_type(session.response.create(on_active="skip"), Response | None)
    assert_type(session.response.cancel(), bool)
    assert_type(session.response.active, Response | None)
    for chunk in session.response.get("resp_1").audio_chunks():
        assert_type(chunk, bytes)


def conversation(session: RealtimeSession) -> None:
    assert_type(session.conversation.create(items.user("hello")), Item)
    assert_type(session.conversation.items, tuple[Item, ...])
    assert_type(session.input_audio_buffer.commit(), Item)
    assert_type(session.update(instructions="x"), SessionConfig)


def tools(session: RealtimeSession) -> None:
    @tool(needs_approval=lambda arguments: bool(arguments["x"]), retries=1, serial=True)
    def double(x: int, context: ToolContext | None = None) -> int:
        return 2 * x

    assert_type(double(2), int)
    assert_type(double.invoke('{"x": 2}').output, str)
    session.tools.add(double)
    assert_type(session.tools.names, tuple[str, ...])
    assert_type(session.approve("call_1", always=True), bool)
    assert_type(session.reject("call_1", "no"), bool)
    assert_type(session.submit_tool_output("call_1", {"a": 1}, respond=False), Item)


def events(session: RealtimeSession) -> None:
    @session.on(ResponseDone)
    def on_done(event: ResponseDone) -> None:
        assert_type(event.response.id, str | None)

    @session.on("response.output_text.delta")
    def on_delta(event: ResponseOutputTextDelta) -> None:
        assert_type(event.delta, str)

    assert_type(session.off("response.done", on_done), bool)
    for event in session.events("response.*", timeout=5):
        assert_type(event, Event)
    answer: Future[Event] = session.request({"type": "input_audio_buffer.clear"})
    assert_type(answer.result().type, str)
    assert_type(session.send({"type": "response.cancel"}), str)
    assert_type(session.pump(0.1), int)
    remove = session.tap(lambda direction, event: print(direction, event["type"]))  # noqa: T201
    assert_type(remove(), None)


def unknown(event: UnknownEvent) -> None:
    assert_type(event.type, str)


def errors() -> None:
    try:
        raise RealtimeError
    except ServerError as exc:
        assert_type(exc.code, str | None)
    except ConnectionLost as exc:
        assert_type(exc.code, int | None)


def transcription() -> None:
    with connect_transcription(language="en") as session:
        assert_type(session, TranscriptionSession)
        whole = session.transcribe("a.wav", on_partial=lambda item: print(item.text))  # noqa: T201
        assert_type(whole, Transcript)
        assert_type(whole.items[0].confidence, float | None)
        for item in session.stream(b""):
            assert_type(item, ItemTranscript)


def translation() -> None:
    with connect_translation("es") as session:
        assert_type(session, TranslationSession)
        assert_type(session.update("fr"), SessionConfig)
        assert_type(session.translate("a.wav"), Translation)


def routing() -> None:
    router = StageRouter({"stages": {}}, tools=[len])
    assert_type(router.stage, str)
    assert_type(router.outcomes, tuple[str, ...])
    assert_type(router.to_mermaid(), str)
    RealtimeSession(router=Agent("one", lambda: "text", handoffs=[Agent("two")]))
    session = RealtimeSession(router=router)

    @session.guardrail(every_chars=50, correction="Be polite.")
    def polite(text: str) -> str | None:
        return text or None

    @session.guardrail
    def short(text: str) -> bool:
        return len(text) > 1000

    assert_type(polite(""), str | None)
    assert_type(short(""), bool)


def text() -> None:
    with ChatSession("gpt-4.1-mini", instructions="x", tools=[len], temperature=0) as chat:
        assert_type(chat, ChatSession)
        assert_type(chat.ask("hello", max_tokens=9).text, str)
        assert_type(chat.history, tuple[Item, ...])
        future: Future[Response] = chat.submit("hello")
        assert_type(future.result().text, str)
        with chat.stream("hello") as stream:
            assert_type(list(stream), list[str])
        assert_type(chat.interrupt(), None)
        session = chat.to_realtime(voice="marin")
        assert_type(session, RealtimeSession)
        assert_type(session.to_chat(), ChatSession)
    ChatSession("m", api="responses", client=None, api_key=lambda: "key", base_url="https://h")


def assistants() -> None:
    def note(file: UploadedFile) -> None:
        assert_type(file.id, str)

    made = create("gpt-4.1-mini", instructions="x", temperature=0, tools=[])
    with AssistantSession(made, image_size=(9, 9), on_file_uploaded=note, top_p=0) as session:
        assert_type(session, AssistantSession)
        assert_type(session.ask("hello", temperature=0).text, str)
        assert_type(session.thread_id, str | None)
        assert_type(session.run, RunStatus | None)
        assert_type(session.delete_uploaded(), tuple[str, ...])
        assert_type(session.to_chat(api="responses"), ChatSession)
        assert_type(session.to_realtime(), RealtimeSession)
    AssistantSession(load("asst_1", thread_id="thread_1"), api_key="key")
