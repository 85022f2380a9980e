"""Speech in one language in, in another out: `connect_translation`."""

from __future__ import annotations

import base64
import socket
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from realtime_sync import (
    Azure,
    Compatible,
    RealtimeSession,
    ReconnectPolicy,
    TranslationSession,
    connect_translation,
)
from realtime_sync.audio import write_wav
from realtime_sync.errors import (
    ConfigurationError,
    ConnectionLost,
    RealtimeTimeout,
    ServerError,
    SessionClosed,
)
from realtime_sync.local import LocalServer

from .peers import CREATED, Link, Peer

LIMIT = 15.0
SOUND = (np.sin(np.arange(24000) / 20) * 8000).astype(np.int16)


@pytest.fixture
def session(server: LocalServer) -> Iterator[TranslationSession]:
    with connect_translation("es", transcription="m", endpoint=server.endpoint) as opened:
        yield opened


@pytest.fixture
def scripted(peer: Peer) -> Iterator[tuple[TranslationSession, Link]]:
    """One whose server the test is."""
    policy = ReconnectPolicy(delays=(0,), jitter=0)
    made = TranslationSession(endpoint=peer.endpoint, ping_interval=None, reconnect=policy).open()
    yield made, peer.link()
    made._connection.close(_soon())


def _soon() -> Any:
    from realtime_sync.runtime.clock import Deadline

    return Deadline(1)


def later(call: Any) -> tuple[threading.Thread, list[Any]]:
    got: list[Any] = []

    def run() -> None:
        try:
            got.append(call())
        except Exception as exc:
            got.append(exc)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    return thread, got


def delta(kind: str, value: str, elapsed: int) -> dict[str, Any]:
    return {"type": f"session.{kind}.delta", "delta": value, "elapsed_ms": elapsed}


# --- what is sent


def test_the_url_and_the_first_update(peer: Peer) -> None:
    """/realtime/translations?model=..., and an update without a type."""
    made = TranslationSession("fr", noise_reduction="near_field", endpoint=peer.endpoint)
    thread, got = later(made.open)
    link = peer.link()
    assert link.path == "/v1/realtime/translations?model=gpt-realtime-translate"
    audio = {"output": {"language": "fr"}, "input": {"noise_reduction": {"type": "near_field"}}}
    assert link.hear("session.update")["session"] == {"audio": audio}
    link.say("session.updated", session={**CREATED["session"], "type": "translation"})
    thread.join(LIMIT)
    assert got == [made]
    thread, _ = later(lambda: made.close(timeout=1))
    link.hear("session.close")
    link.say("session.closed")
    thread.join(LIMIT)


def test_frames_of_200_ms(session: TranslationSession, server: LocalServer) -> None:
    """Whatever is appended goes in frames of 9,600 bytes, and at 24 kHz."""
    session.append(SOUND)
    session.append(SOUND[::3].copy(), sample_rate=8000)
    session.append(np.stack([SOUND, SOUND], axis=1).astype(np.float32) / 32768)
    with session.expect("session.closed") as closed:
        session.finish()
    closed.result(timeout=LIMIT)
    sent = [
        len(base64.b64decode(event["audio"]))
        for event in server.received
        if event["type"] == "session.input_audio_buffer.append"
    ]
    assert sent == [9600] * 15


def test_update(session: TranslationSession) -> None:
    """What is given is changed, the rest stays; None switches off; nothing given: nothing sent."""
    held: Any = session.update("de").audio
    assert (held.output.language, held.input.transcription.model) == ("de", "m")
    held = session.update(transcription=None).audio
    assert (held.output.language, held.input.transcription) == ("de", None)
    assert session.update() == session.config


@pytest.mark.parametrize("language", ["", 3])
def test_bad_language(language: Any) -> None:
    """A target language that is none is refused before any I/O."""
    with pytest.raises(ConfigurationError, match="target_language"):
        TranslationSession(language, api_key="k")


def test_servers_without_translations() -> None:
    """The beta has none; a RealtimeSession is none."""
    beta = Compatible("http://127.0.0.1:9/v1", dialect="beta")
    preview = Azure("https://h", "d", api_key="k", api_version="2025-04-01-preview")
    for endpoint in (beta, preview):
        with pytest.raises(ConfigurationError, match="no translations"):
            TranslationSession(endpoint=endpoint).open()
    with pytest.raises(ConfigurationError, match="connect_translation"):
        RealtimeSession(api_key="k", config={"type": "translation"})


# --- what comes out


def test_a_file(session: TranslationSession, server: LocalServer, tmp_path: Path) -> None:
    """translate() gives text, what was said and the sound, to the last of it; then it is closed."""
    server.script.transcripts([{"transcript": "good day", "translation": "buenos dias"}])
    write_wav(tmp_path / "a.wav", SOUND[::3].copy(), 8000)
    result = session.translate(tmp_path / "a.wav")
    # what the script does not hold is honest
    assert result.text == "buenos dias[speech, 0.6 s] "
    assert result.input_text == "good day[speech, 0.6 s] "
    assert len(result.audio) == 48000  # the server gives the input back
    assert result.errors == ()
    assert session.state == "closed"


def test_live_iterators(session: TranslationSession) -> None:
    """One thread appends, others read; elapsed_ms rises; all end after finish()."""
    readers = [
        later(lambda kind=kind: list(kind))
        for kind in (session.output_audio(), session.output_text(), session.input_text())
    ]
    for _ in range(3):
        session.append(SOUND)
    session.finish()
    for thread, _ in readers:
        thread.join(LIMIT)
    audio, text, heard = (got[0] for _, got in readers)
    assert b"".join(event.audio for event in audio) == SOUND.tobytes() * 3
    assert [event.elapsed_ms for event in text] == [1000, 2000, 3000]
    assert "".join(event.delta for event in heard) == "[speech, 1.0 s] " * 3


def test_one_thread_does_both(session: TranslationSession) -> None:
    """What was asked for before is kept: append, finish, then read."""
    audio = session.output_audio(timeout=LIMIT)
    session.append(SOUND)
    session.finish()
    session.finish()
    assert sum(len(event.audio) for event in audio) == 48000


def test_finished_long_ago(session: TranslationSession) -> None:
    """Finishing once more does no harm, however fast the server's end was."""
    with session.expect("connection.closed") as over:
        session.finish()
        over.result(timeout=LIMIT)
    assert session.state == "closed"
    session.finish()


def test_finished_before_it_is_open(server: LocalServer) -> None:
    """Nobody is told that the rest will come where there is none."""
    session = TranslationSession("es", endpoint=server.endpoint)
    with pytest.raises(SessionClosed):
        session.finish()


def test_callbacks(session: TranslationSession) -> None:
    """`on` sees its events, typed."""
    heard: list[Any] = []
    done = threading.Event()
    session.on("session.output_audio.delta", lambda event: heard.append(event.audio))
    session.on("session.closed", lambda _: done.set())
    session.append(SOUND)
    session.close()
    assert done.wait(LIMIT)
    assert b"".join(heard) == SOUND.tobytes()


def test_an_error_on_the_way(session: TranslationSession, server: LocalServer) -> None:
    """What the server complains of is in `errors`; the rest of the translation is there."""
    server.script.transcripts([RuntimeError("hiccups"), "and on"])
    result = session.translate(np.tile(SOUND, 2))
    assert [str(error) for error in result.errors] == ["hiccups"]
    assert result.text.startswith("and on")


# --- the end


def test_close_loses_nothing(scripted: tuple[TranslationSession, Link]) -> None:
    """close() asks for the rest and waits for it; the end of the link is no loss."""
    session, link = scripted
    texts = session.output_text()
    closed = session.events("connection.*")
    thread, _ = later(session.close)
    link.hear("session.close")
    link.say_all(
        delta("output_transcript", "late ", 200),
        delta("output_transcript", "words", 400),
        {"type": "session.closed"},
    )
    link.over.set()
    thread.join(LIMIT)
    assert not thread.is_alive()
    assert [event.delta for event in texts] == ["late ", "words"]
    assert [(event.type, event.error) for event in closed] == [("connection.closed", None)]  # type: ignore[attr-defined]
    session.close()


def test_close_is_bounded(
    scripted: tuple[TranslationSession, Link], caplog: pytest.LogCaptureFixture
) -> None:
    """A server that does not say session.closed holds nobody; what is lost is said."""
    session, _ = scripted
    with session.expect("connection.closed") as over:
        session.close(timeout=0.3)
        over.result(timeout=LIMIT)
    assert session.state == "closed"
    assert "did not come in time" in caplog.text


def test_an_exception_in_the_block_does_not_wait(peer: Peer) -> None:
    """Whoever leaves by an exception is not held by the rest of a translation."""
    sessions: list[TranslationSession] = []
    threads: list[threading.Thread] = []

    def leave() -> None:
        with connect_translation(endpoint=peer.endpoint, ping_interval=None) as session:
            sessions.append(session)
            link = peer.link()
            threads.append(later(lambda: link.connection.recv(timeout=LIMIT))[0])  # to its close
            raise KeyError

    with pytest.raises(KeyError):
        leave()
    threads[0].join(LIMIT)
    assert sessions[0].state == "closed"


def test_a_link_lost_for_good(peer: Peer) -> None:
    """Every wait ends when the link is lost and not made anew."""
    made = TranslationSession(endpoint=peer.endpoint, ping_interval=None, reconnect=None)
    session, link = made.open(), peer.link()
    texts = session.output_text()
    one = later(lambda: next(texts))
    two = later(lambda: session.translate(SOUND, timeout=None))
    link.hear("session.close")
    link.connection.socket.shutdown(socket.SHUT_RDWR)
    link.over.set()
    for thread, got in (one, two):
        thread.join(LIMIT)
        assert isinstance(got[0], ConnectionLost)
    with pytest.raises(SessionClosed):
        session.append(SOUND)


def cut(link: Link) -> None:
    link.connection.socket.shutdown(socket.SHUT_RDWR)
    link.over.set()


def test_a_lost_link(scripted: tuple[TranslationSession, Link], peer: Peer) -> None:
    """The stream goes on over another link; what was under way is counted by elapsed_ms."""
    session, link = scripted
    texts = session.output_text(timeout=LIMIT)
    session.append(SOUND)
    for _ in range(5):
        link.hear("session.input_audio_buffer.append")
    link.say_all(delta("output_transcript", "one ", 600))
    assert next(texts).delta == "one "
    with session.expect("connection.restored") as pending:
        cut(link)
        assert pending.result(timeout=LIMIT).lost_audio_ms == 400
    link = peer.link()
    session.append(SOUND)
    for _ in range(5):
        link.hear("session.input_audio_buffer.append")
    link.say_all(delta("output_transcript", "two", 1000))
    assert next(texts).delta == "two"
    thread, _ = later(session.close)
    link.hear("session.close")
    link.say("session.closed")
    thread.join(LIMIT)
    assert list(texts) == []


def test_a_source_over_a_lost_link(scripted: tuple[TranslationSession, Link], peer: Peer) -> None:
    """translate() waits for the next link, goes on with its source, and says what is missing."""
    session, link = scripted
    more = threading.Event()

    def source() -> Iterator[Any]:
        yield SOUND
        assert more.wait(LIMIT)
        yield SOUND
        yield SOUND

    thread, got = later(lambda: session.translate(source(), timeout=LIMIT))
    for _ in range(4):  # the fifth is only whole when more has come, or nothing comes any more
        link.hear("session.input_audio_buffer.append")
    with session.expect("session.output_transcript.delta") as pending:
        link.say_all(delta("output_transcript", "one ", 600))
        pending.result(timeout=LIMIT)
    with session.expect("connection.restored") as pending:
        cut(link)
        pending.result(timeout=LIMIT)
    link = peer.link()
    more.set()
    link.hear("session.close")
    link.say_all(delta("output_transcript", "two", 1000), {"type": "session.closed"})
    link.over.set()
    thread.join(LIMIT)
    assert got[0].text == "one two"
    assert [error.code for error in got[0].errors] == ["connection_lost"]


def test_a_link_lost_while_closing(scripted: tuple[TranslationSession, Link], peer: Peer) -> None:
    """The next session is asked to close at once: nobody waits for a rest that cannot come."""
    session, link = scripted
    thread, _ = later(session.close)
    link.hear("session.close")
    cut(link)
    link = peer.link()
    link.hear("session.close")
    link.say("session.closed")
    thread.join(LIMIT)
    assert not thread.is_alive()
    assert session.state == "closed"


def test_a_silent_server(scripted: tuple[TranslationSession, Link]) -> None:
    """translate() waits no longer than told; an iterator can be continued."""
    session, link = scripted
    with pytest.raises(RealtimeTimeout):
        session.translate(SOUND, timeout=0.1)
    texts = session.output_text(timeout=0.1)
    with pytest.raises(RealtimeTimeout):
        next(texts)
    with session.expect("session.closed") as pending:
        link.say_all(delta("output_transcript", "hm", 200), {"type": "session.closed"})
        pending.result(timeout=LIMIT)
    assert [event.delta for event in texts] == ["hm"]


def test_a_refused_update(session: TranslationSession) -> None:
    """The server's refusal is raised."""
    with pytest.raises(ServerError):
        session.update(noise_reduction={"type": "nearby"})
