"""RealtimeSession: the blocking API. Holds the pieces together; knows no socket and no protocol."""

from __future__ import annotations

import ssl
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any

from .core.sideband import SidebandState
from .core.state import SessionState
from .errors import ConfigurationError
from .events.config import FLAT_FIELDS, NOT_GIVEN, NotGiven, SessionConfig, session_config
from .items import sendable
from .opening import Setup, endpoints_of
from .policy import ReconnectPolicy
from .resources import Conversation, InputAudioBuffer, Responses
from .resources.approval import Approver
from .resources.conversation import ItemLike, item_event
from .resources.routing import Routing
from .resources.saved import SavedAudio
from .runtime.clock import Deadline, check_timeout, may_wait
from .runtime.dispatcher import Dispatch
from .runtime.endpoints import Endpoint
from .speaking import Speaking
from .tools.execution import DEFAULT_LIMIT

if TYPE_CHECKING:
    from .routing import Agent, Router
    from .text import ChatSession

__all__ = ["RealtimeSession", "connect"]

MAX_MESSAGE_SIZE = 64 * 1024 * 1024


class RealtimeSession(Speaking):
    """A conversation with a realtime model.

    ::

        with RealtimeSession(instructions="Be brief.", output_modalities=["text"]) as session:
            print(session.ask("Hello!").text)

    Every method may be called from any thread, from callbacks and tools too; only inside a `tap`
    a blocking call raises `WouldDeadlock`. A blocking call takes `timeout` in seconds; None waits
    for ever. Making a session does no I/O and starts no thread; arguments are checked here.

    Args:
        model: Else `REALTIME_SYNC_MODEL`, else "gpt-realtime-2.1".
        api_key: The key, or a function that is asked for it at every connect; else
            `OPENAI_API_KEY`, read when the session opens.
        base_url: http(s) or ws(s), with or without /v1 and /realtime; else `OPENAI_BASE_URL`,
            else OpenAI.
        endpoint: `OpenAI`, `Azure` or `Compatible`, instead of the two above; or a list of them,
            tried in order.
        call_id: "rtc_…": joins the session of a WebRTC or SIP call beside its caller, who has the
            audio: both see all events. With a key of your own; without `model`. A lost link ends
            it: join again.
        config: A `SessionConfig`, or a dict of its shape. The fields below beat the same fields of
            it.
        tools: Functions, `Tool`s, wire dicts, `McpTool`s; they follow those of `config`.
        router: A `StageRouter`, or the `Agent` that begins: says what the model is told, and which
            tools it has, as the conversation moves on. `instructions` go before what it says;
            tools that no stage names are there in all.
        history: Items that the conversation begins with, as `conversation.export()` gives them.
        pack: Send the history as one user message that tells it.
        dispatcher: Where callbacks run: "thread" (one of our own), "manual" (in `pump`), or a
            function that takes a function and has it run, e.g. by a GUI's event loop.
        reconnect: When a lost link is made anew; None: never.
        ping_interval: Seconds between signs of life asked of an idle server; a link silent for
            twice as long is lost. None: never asked.
        max_message_size: Bytes that one message of the server may have.
        save_audio: Keep the audio of every item: 16 MB in memory, then 1 GB in a temporary file,
            then the oldest have none any more.
        retry_text_reply: Where a response that was to be spoken comes as text alone, delete that
            and ask once more in the same turn. Told either way: `response.modality_mismatch`.
        max_duration: Seconds after which the session ends, counted from the end of `open()`.
        max_tokens: Tokens after which it ends: input, output and transcription, as the server
            counts them. The response that uses up the last of them is still given to whoever waits
            for it; nothing is asked for after it. Either end is `close()` at once: whoever waits
            gets `BudgetExceeded` with what came in `.response`, `connection.closed` has it too.
        approver: Asked about calls that need approval, one after the other, on a thread of its
            own: given the `tool.approval_required` event, it returns True to approve; everything
            else rejects, and a str says why; `async def` too.
        approval_timeout: Seconds until an undecided call is rejected; None: never.
        tool_threads: Tools that run at a time; those of a turn begun inside a tool do not count.
        ssl_context: For wss; else the system's certificates, checked.
        proxy: http:// or socks5:// URL (extra `proxy`); none is taken from the environment.
        instructions: How the model is to behave. This and all below are fields of the
            configuration in short. Left out: not sent, so the server's default counts. None: sent
            as null, where the wire has null.
        output_modalities: ["audio"], which has a transcript, or ["text"].
        voice: "marin", "cedar", "alloy" or another of the server's, or `{"id": …}` of your own; it
            stays once the model has spoken.
        speed: Of speech, 0.25 to 1.5; 1 is the voice's own.
        turn_detection: When the user's turn ends: "server_vad" (by loudness), "semantic_vad" (by
            what is said), or a dict, see `TurnDetection`. None: you commit, and ask for responses.
        transcription: A model that writes down what the user says, or a dict, see `Transcription`.
            None: none does.
        noise_reduction: Of the user's audio: "near_field" (a headset) or "far_field" (a room's
            microphone), or a dict, see `NoiseReduction`. None: none.
        input_format: Of audio that you send: "audio/pcm" (16 bits, 24 kHz, mono, little-endian),
            "audio/pcmu" or "audio/pcma" (G.711, 8 kHz).
        output_format: Of the model's speech, likewise.
        tool_choice: "auto", "none", "required", or a tool: `{"type": "function", "name": …}`.
        max_output_tokens: Of one response, tool calls included: 1 to 4096, or "inf".
        truncation: What is dropped of a conversation that is too long: "auto", "disabled", or a
            dict, see `Truncation`.
        reasoning: `{"effort": …}`: "minimal", "low", "medium", "high" or "xhigh"; of models that
            reason.
        tracing: Whether the session shows in the server's traces: "auto", or a dict, see
            `Tracing`; it stays once it is on. None: no.
        prompt: One that is stored at the server, `{"id": …, "variables": {…}}`. None: none.
        parallel_tool_calls: Whether a response may call several tools; of models that reason.
        include: What else is sent: ["item.input_audio_transcription.logprobs"]. None: nothing.

    Raises:
        ConfigurationError: An argument cannot be; says which, and what would do.
        TypeError: An argument of the wrong kind.
    """

    def __init__(
        self,
        model: str | None = None,
        *,
        api_key: str | Callable[[], str] | None = None,
        base_url: str | None = None,
        endpoint: Endpoint | Sequence[Endpoint] | None = None,
        call_id: str | None = None,
        config: SessionConfig | dict[str, Any] | None = None,
        tools: Iterable[Any] = (),
        router: Router | Agent | None = None,
        history: Iterable[ItemLike] = (),
        pack: bool = False,
        dispatcher: str | Dispatch = "thread",
        reconnect: ReconnectPolicy | None = ReconnectPolicy(),  # noqa: B008  # frozen
        ping_interval: float | None = 10,
        max_message_size: int = MAX_MESSAGE_SIZE,
        save_audio: bool = False,
        retry_text_reply: bool = False,
        max_duration: float | None = None,
        max_tokens: int | None = None,
        approver: Approver | None = None,
        approval_timeout: float | None = 300,
        tool_threads: int = DEFAULT_LIMIT,
        ssl_context: ssl.SSLContext | None = None,
        proxy: str | None = None,
        instructions: str | NotGiven = NOT_GIVEN,
        output_modalities: Sequence[str] | NotGiven = NOT_GIVEN,
        voice: str | dict[str, Any] | NotGiven = NOT_GIVEN,
        speed: float | NotGiven = NOT_GIVEN,
        turn_detection: str | dict[str, Any] | NotGiven | None = NOT_GIVEN,
        transcription: str | dict[str, Any] | NotGiven | None = NOT_GIVEN,
        noise_reduction: str | dict[str, Any] | NotGiven | None = NOT_GIVEN,
        input_format: str | dict[str, Any] | NotGiven = NOT_GIVEN,
        output_format: str | dict[str, Any] | NotGiven = NOT_GIVEN,
        tool_choice: str | dict[str, Any] | NotGiven = NOT_GIVEN,
        max_output_tokens: int | str | NotGiven = NOT_GIVEN,
        truncation: str | dict[str, Any] | NotGiven = NOT_GIVEN,
        reasoning: dict[str, Any] | NotGiven = NOT_GIVEN,
        tracing: str | dict[str, Any] | NotGiven | None = NOT_GIVEN,
        prompt: dict[str, Any] | NotGiven | None = NOT_GIVEN,
        parallel_tool_calls: bool | NotGiven = NOT_GIVEN,
        include: Sequence[str] | NotGiven | None = NOT_GIVEN,
    ) -> None:
        given = {name: value for name, value in locals().items() if name in FLAT_FIELDS}
        super().__init__()
        self._setup = Setup(
            model=model,
            endpoints=endpoints_of(endpoint, api_key, base_url),
            config=session_config(config, given),
            tools=tools,
            history=history,
            pack=pack,
            max_message_size=max_message_size,
            ssl_context=ssl_context,
            proxy=proxy,
            call_id=call_id,
        )
        if self._setup.type == "translation":
            raise ConfigurationError("type: connect_translation() makes translation sessions")
        if max_tokens is not None and (type(max_tokens) is not int or max_tokens < 1):
            raise ConfigurationError("max_tokens: a number of tokens from 1 on, or None")
        if check_timeout(max_duration, "max_duration") == 0:
            raise ConfigurationError("max_duration: seconds above 0, or None")
        self._routing = None if router is None else Routing(self, router, self._setup)
        self._max_tokens = max_tokens
        self._retry_text_reply = retry_text_reply
        self._reconnect = reconnect
        self._begin_calling(
            threads=tool_threads, approver=approver, approval_timeout=approval_timeout
        )
        self._begin_life(
            self._new_state,
            dispatcher=dispatcher,
            ping_interval=ping_interval,
            max_duration=max_duration,
            on_call=self._calls.act,
            on_end=self._calls.end,
            handle=self._handle,
            reconnect=reconnect,
        )
        self.conversation = Conversation(self)
        if save_audio:
            self.conversation.saved = SavedAudio()
            self.tap(self.conversation.saved.tap)
        self.response = Responses(self)
        self.input_audio_buffer = InputAudioBuffer(self)

    def reset(self, *, timeout: float | None = 30) -> None:
        """Begin again: a new session on the server, configured alike, with an empty conversation.

        A response that runs is lost (`ConnectionLost` to whoever waits for it), and so is a turn
        whose tools run; queued turns, and calls made meanwhile, go on in the new session. Handlers,
        watchers and `usage` live on; `connection.restored` tells when it is there. A router begins
        at its start.

        Args:
            timeout: Seconds; None waits for ever. The reset goes on when they have passed.

        Raises:
            ConnectError: No new link; the old one, if it still works, goes on as it was.
            RealtimeTimeout: It took longer.
            ConnectionLost, SessionClosed: There is no session any more.
        """
        deadline = Deadline(timeout)
        may_wait()
        self._connection.reset(deadline)
        if self._routing is not None:
            self._routing.restart()

    def close(self, *, timeout: float | None = 5) -> None:
        """End the session. Idempotent, from any thread, a callback or tool included.

        From a signal handler too; there, on top of a call of this session, it does not wait.
        Sends what was queued, fails what waits with `SessionClosed`, lets callbacks of what had
        arrived run, `connection.closed` last, and joins every thread but its own. A tool that
        still runs is logged by name; its result is dropped.

        Args:
            timeout: Seconds for all of it; neither a silent peer nor a slow callback can hold it.
        """
        deadline = Deadline(timeout)
        self._hang_up(deadline)
        self._calls.stop()
        self._guardrails.stop()
        self._connection.close(deadline)
        if not self._connection.in_loop:
            self._calls.join(deadline)
            self._guardrails.join(deadline)

    @property
    def output_format(self) -> str:
        """The format of the model's audio: "audio/pcm", "audio/pcmu" or "audio/pcma"."""
        return str(self._look(lambda s: s.audio_format("output")))

    def to_chat(self, model: str = "gpt-4.1-mini", **chat: Any) -> ChatSession:
        """The same conversation for a text model: history, tools and stage go along.

        What was said aloud goes as its transcript; `transcription` is what gives the user's one.
        Tools of MCP servers stay behind, unless `api="responses"`. Both sessions live on, each by
        itself: the chat has a copy of the router, which stands where ours does.

        Args:
            model: A text model of the same server, unless `chat` names another one.
            chat: Arguments of `realtime_sync.text.ChatSession`; each beats what would go along.

        Raises:
            As `ChatSession`.
        """
        from .text.handover import to_chat

        made: ChatSession = to_chat(self, model, {"endpoint": self._setup.endpoint}, chat)
        return made

    # --- for our own use

    def _new_state(self) -> SessionState:
        kind = SessionState if self._setup.call_id is None else SidebandState
        state = kind(
            new_key=lambda: self.new_id("event"),
            new_item_id=lambda: self.new_id("item"),
            config=self._setup.config,
            history=[
                item_event(self, item, None, self._setup.input_format)
                for item in self._setup.history
            ],
            sendable=sendable,
            keep_audio=self._reconnect.keep_audio if self._reconnect is not None else 0,
            replay_audio=self._reconnect.replay_audio if self._reconnect is not None else 0,
        )
        state.calls.set_tools(*self.tools._kinds())
        state.sequencer.threads = self._calls.at_once
        state.running.max_tokens = self._max_tokens
        state.running.retry_text_reply = self._retry_text_reply
        return state

    def __repr__(self) -> str:
        count = len(self.conversation.items)
        running = self._look(lambda s: len(s.running.responses))
        more = f", {running} response{'s' * (running != 1)} in progress" if running else ""
        return f"<RealtimeSession {self.state}, {count} item{'s' * (count != 1)}{more}>"


def connect(model: str | None = None, **arguments: Any) -> RealtimeSession:
    """`RealtimeSession(...).open()`."""
    return RealtimeSession(model, **arguments).open()
