"""The embedded server as people hold it: start it, script it, read what it received.

Threads and sockets are in `net`; here is what they share.
"""

from __future__ import annotations

import json
import os
import re
import secrets
import time
from collections.abc import Iterable
from datetime import datetime
from types import TracebackType
from typing import TYPE_CHECKING, Any

from realtime_sync.errors import ConfigurationError
from realtime_sync.local.answers import Call, McpCall, call
from realtime_sync.local.body import Received
from realtime_sync.local.calls import Calls
from realtime_sync.local.chatmodel import ChatModel, Thinkers
from realtime_sync.local.desk import Desk
from realtime_sync.local.dialogue import Dialogue
from realtime_sync.local.grants import Grants
from realtime_sync.local.heard import Spoken
from realtime_sync.local.net import Listener
from realtime_sync.local.options import check
from realtime_sync.local.reception import Reception
from realtime_sync.local.refusal import Refusal
from realtime_sync.local.replay import Replay
from realtime_sync.local.script import Answer, Script
from realtime_sync.local.sessions import Sessions
from realtime_sync.local.speech import Speech
from realtime_sync.local.text.routes import Routes
from realtime_sync.local.witness import Called, Witness

if TYPE_CHECKING:
    from realtime_sync.local.page import Site
    from realtime_sync.runtime.endpoints import Compatible

__all__ = ["LocalServer"]

#: Where programs of this machine reach a server that listens on every address.
_LOOPBACK_OF = {"": "127.0.0.1", "0.0.0.0": "127.0.0.1", "::": "::1"}
_SESSION_SECONDS = 3600.0
_PATIENCE = 2.0  # seconds that assertions wait for what is under way


class LocalServer:
    """A server of the Realtime API on loopback: same events, same order, no model, no network.

    It answers by rules (say hello, ask it for a story) unless `reply` says otherwise, gives
    speech back as a parrot, and calls your tools when asked `call NAME {json}`. Turn
    detection goes by loudness: a `threshold` of 0 to 1 is -60 to -20 dBFS, and semantic_vad, which
    cannot understand here, waits a quarter of its longest wait. Transcription and translation
    sessions, calls and their sidebands are served too, and the REST calls at `url`: client
    secrets and calls; /chat/completions, /responses and the Assistants API (assistants, threads,
    files) take their answers from the same script and rules.

    Args:
        host: The address to bind to; nobody else's network can reach the default.
        port: 0 takes a free one.
        speed: Multiplies the pace of the service (80 words a second, audio four times faster than
            it is played); None sends everything at once, for tests.
        api_key: The only key that is accepted; None accepts every key, but wants one.
        transcripts: What the next user audio is said to contain, where transcription is on;
            an exception makes one fail, a mapping says more (see `script.transcripts`).
        voice: "auto" speaks with espeak-ng where the extra `voice` is installed, "tones" never.
        dialect: "ga", or "beta" for what the service spoke before; Azure's two paths
            (/openai/v1/realtime and /openai/realtime) have each its own, whatever this says.
        needs_beta_header: False lets clients speak beta without the header OpenAI-Beta.
        expires_in: Seconds that a session lasts; None: an hour.
        brain: A chat-completions endpoint whose language model answers realtime sessions, in the
            place of the rules; what is scripted goes before it.
        ui: Whether to have a web page with a live view of the sessions, at `ui_url`. It asks for
            no key: who reaches the port, and on loopback that is this machine, sees what is said.

    Raises:
        ConfigurationError: A speed or a time that is not positive, an unknown voice or dialect.
    """

    def __init__(
        self,
        *,
        host: str = "127.0.0.1",
        port: int = 0,
        speed: float | None = 1.0,
        api_key: str | None = None,
        transcripts: Iterable[Spoken] = (),
        voice: str = "auto",
        dialect: str = "ga",
        needs_beta_header: bool = True,
        expires_in: float | None = None,
        brain: ChatModel | None = None,
        ui: bool = False,
    ) -> None:
        check(speed, api_key, voice, dialect, expires_in)
        self.script = Script()
        self.script.transcripts(transcripts)
        self._key = api_key or f"local-{secrets.token_hex(16)}"
        self._dialect = dialect
        self._received: list[dict[str, Any]] = []  # append is atomic; read as a copy
        self._requests: list[Received] = []  # the same
        self._witness = Witness()
        grants = Grants(_new_token)
        self._reception = Reception(
            api_key, grants, dialect=dialect, needs_beta_header=needs_beta_header
        )
        self._listener = Listener(host=host, port=port, new_dialogue=self._new_dialogue)
        self._thinkers = None if brain is None else Thinkers(brain, self._listener.ring)
        self._sessions = self._new_sessions(voice, speed, expires_in)
        self._site = self._new_site() if ui else None
        self._calls = Calls(
            lock=self._listener.shared,
            ring=self._listener.ring,
            script=self.script,
            new_identity=_new_identity,
        )
        self.script.ring = self._listener.ring
        self._desk = self._new_desk(grants)

    @classmethod
    def from_recording(
        cls,
        path: str | os.PathLike[str],
        *,
        speed: float | None = 1.0,
        partial: bool = False,
        host: str = "127.0.0.1",
        port: int = 0,
        ui: bool = False,
    ) -> LocalServer:
        """A server that plays the server's part of a recording: a bug report becomes a test.

        It says what the recorded server said, once the client has sent what that followed from;
        ids that the client makes are put where the recording has its own. Of the client's audio it
        waits for the beginning only; what comes of it comes as long after that as it did. Audio
        that was not recorded is silence of the same length. A client event that the recording does
        not have is refused (`not_in_recording`), but for `session.update`; `awaited` says what it
        waits for. Links that were lost are lost again, the next one has the next session.

        Args:
            path: Of the file, as `session.record(path)` writes it.
            speed: Multiplies the recorded pace; None says everything as soon as it may, which suits
                text: with microphone and loudspeaker keep to 1.
            partial: Play a recording that is cut, or has a gap, as far as it goes.
            host, port, ui: As of the class.

        Raises:
            RecordingError: It is no recording, newer than this library, cut or spoilt; names the
                line.
            OSError: It cannot be read.
        """
        replay = Replay(path, epoch=time.time, partial=partial)
        server = cls(
            host=host,
            port=port,
            speed=speed,
            voice="tones",
            dialect=replay.dialect,
            needs_beta_header=False,
            ui=ui,
        )
        server._sessions.replay = replay
        return server

    @property
    def awaited(self) -> str | None:
        """Of a recording, what the client is to send next; None: nothing."""
        replay = self._sessions.replay
        return None if replay is None else replay.awaited

    def _new_sessions(self, voice: str, speed: float | None, seconds: float | None) -> Sessions:
        return Sessions(
            script=self.script,
            voice=Speech(voice),
            speed=speed,
            seconds=_SESSION_SECONDS if seconds is None else seconds,
            epoch=time.time,
            clock=datetime.now,
            new_identity=_new_identity,
            thinker=self._thinkers,
        )

    def _new_site(self) -> Site:
        # when called: whoever wants no page pays for none
        from realtime_sync.local.page import Site

        return Site(
            host=self._listener.host,
            identity=_new_identity(),
            lock=self._listener.shown,
            clock=time.monotonic,
            epoch=time.time,
        )

    def _new_desk(self, grants: Grants) -> Desk:
        return Desk(
            reception=self._reception,
            sessions=self._sessions,
            grants=grants,
            calls=self._calls,
            texts=Routes(
                reception=self._reception,
                sessions=self._sessions,
                lock=self._listener.shared,
                heard=self._requests.append,
            ),
            heard=self._requests.append,
        )

    def _new_dialogue(self, protocol: Any) -> Dialogue:
        return Dialogue(
            protocol,
            reception=self._reception,
            desk=self._desk,
            sessions=self._sessions,
            calls=self._calls,
            heard=self._hear,
            told=self._tell,
            site=self._site,
        )

    def __repr__(self) -> str:
        where = self.url if self._listener.port else "not started"
        return f"<LocalServer {where}, {len(self._received)} events received>"

    @property
    def url(self) -> str:
        """The base URL, "http://127.0.0.1:PORT/v1"; WebSocket clients turn http into ws.

        It is for this machine, also where the server listens on every address of it.

        Raises:
            ConfigurationError: The server was never started.
        """
        return f"{self._root}/v1"

    @property
    def ui_url(self) -> str:
        """Of the page with a live view of the sessions, "http://127.0.0.1:PORT/ui/".

        Raises:
            ConfigurationError: The server has no page, or was never started.
        """
        if self._site is None:
            raise ConfigurationError("the server has no page: make it with LocalServer(ui=True)")
        return f"{self._root}/ui/"

    @property
    def _root(self) -> str:
        port = self._listener.port
        host = _LOOPBACK_OF.get(self._listener.host, self._listener.host)
        if not port:
            raise ConfigurationError("the server has no URL yet: start() it, or use `with`")
        return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"

    @property
    def endpoint(self) -> Compatible:
        """For `RealtimeSession(endpoint=...)`; holds a key that this server accepts."""
        # when called: this room imports nothing of the client's side
        from realtime_sync.runtime.endpoints import Compatible

        return Compatible(self.url, api_key=self._key, dialect=self._dialect)

    @property
    def received(self) -> tuple[dict[str, Any], ...]:
        """The client events so far, of all connections, oldest first."""
        return tuple(self._received)

    @property
    def requests(self) -> tuple[Received, ...]:
        """The REST calls so far that were let in, oldest first: `.method`, `.path`, `.body`."""
        return tuple(self._requests)

    def _hear(self, event: dict[str, Any]) -> None:
        self._received.append(event)
        self._witness.heard(event)
        self._listener.news()

    def _tell(self, event: dict[str, Any]) -> None:
        self._witness.told(event)
        self._listener.news()

    def assert_said(
        self, words: str | re.Pattern[str], role: str | None = None, *, timeout: float = _PATIENCE
    ) -> str:
        """Asserts that somebody has said it: in text, or in speech that has a transcript.

        Args:
            words: A part of the text, or a compiled pattern that is searched for.
            role: "user", "assistant" or "system"; None: whoever.
            timeout: Seconds to wait for it.

        Returns:
            The whole text.

        Raises:
            AssertionError: Nobody has; lists what was said.
            TypeError: `words` is neither.
        """
        __tracebackhide__ = True
        if not isinstance(words, (str, re.Pattern)):
            raise TypeError(f"words: a text or a pattern is needed, not {type(words).__name__}")
        witness = self._witness
        found = self._listener.wait(lambda: witness.said(words, role), timeout)
        if found is None:
            raise AssertionError(witness.not_said(words, role))
        return found

    def assert_called(self, name: str, /, **arguments: Any) -> Called:
        """Asserts that the model has called a function, and that the client has answered.

        Waits for it for two seconds.

        Args:
            name: Of the function.
            arguments: Those that it was called with; it may have had more.

        Returns:
            The call: `.arguments`, `.output`.

        Raises:
            AssertionError: There is no such call; lists those that there are.
        """
        __tracebackhide__ = True
        witness = self._witness
        found = self._listener.wait(lambda: witness.called(name, arguments), _PATIENCE)
        if found is None:
            raise AssertionError(witness.not_called(name, arguments))
        return found

    def incoming_call(self) -> str:
        """Rings, as a call over SIP does; returns its id, to accept or reject it by REST.

        Raises:
            RuntimeError: A thousand calls are under way.
        """
        try:
            return self._calls.begin(None)
        except Refusal as refusal:
            raise RuntimeError(str(refusal)) from refusal

    def reply(self, *answers: Answer) -> None:
        """Queues what the next responses do, one answer each.

        Args:
            answers: Text; `call(...)`, `mcp_call(...)`; PCM16 bytes (24 kHz, mono); an exception,
                which fails the response with its text; or a list of these, all in one response.

        Raises:
            TypeError: Anything else.
            ValueError: An odd number of bytes.
        """
        self.script.reply(*answers)

    def call(self, name: str, **arguments: Any) -> Call:
        """A function call, for `reply`."""
        return call(name, **arguments)

    def mcp_call(self, label: str, name: str, **arguments: Any) -> McpCall:
        """A call of an MCP server's tool, for `reply`; see `script.mcp`."""
        return McpCall(label, name, json.dumps(arguments, ensure_ascii=False))

    def start(self) -> LocalServer:
        """Binds and listens; returns self. Started already: nothing happens.

        Raises:
            ConfigurationError: The package `websockets` is missing, or the server was closed.
            OSError: The address cannot be bound.
        """
        self._listener.start()
        return self

    def close(self, *, timeout: float = 2.0) -> None:
        """Ends every connection (1001) and joins every thread, within `timeout` seconds."""
        self._listener.close(timeout)
        if self._thinkers is not None:
            self._thinkers.close(timeout)

    def __enter__(self) -> LocalServer:
        return self.start()

    def __exit__(
        self,
        _kind: type[BaseException] | None,
        _error: BaseException | None,
        _trace: TracebackType | None,
    ) -> None:
        self.close()


def _new_identity() -> str:
    return secrets.token_hex(6)


def _new_token() -> str:
    return secrets.token_hex(16)
