"""Hands-free conversation, without devices and in virtual time."""

from __future__ import annotations

import sys
import threading
import wave
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from realtime_sync import RealtimeSession, ReconnectPolicy
from realtime_sync.audio import WavSink, write_wav
from realtime_sync.errors import AudioError, AudioUnavailable, ConfigurationError
from realtime_sync.local import LocalServer
from realtime_sync.voice import Talk
from realtime_sync.voice.talk import TRANSCRIPTION, _tell_once

from .conftest import LIMIT, Sink, Stage, silence, sound

Stages = Callable[..., Stage]


def sent(server: LocalServer, kind: str) -> list[Any]:
    return [event for event in server.received if event["type"] == kind]


def test_a_file_is_answered(stage: Stages, server: LocalServer) -> None:
    """What is said is heard, answered, and played to its end; then the talk is over."""
    on = stage()
    reply = sound(700, 660)
    server.reply(reply)
    talk = on.talk(sound(1000))
    on.until(lambda: talk.ended)
    talk.wait(timeout=LIMIT)
    assert on.sink.pcm.rstrip(b"\0") == reply.rstrip(b"\0")
    roles = [item.role for item in on.session.conversation.items]
    assert roles == ["user", "assistant"]
    assert on.session.conversation.items[0].transcript


def test_stats_know_the_devices(stage: Stages, monkeypatch: pytest.MonkeyPatch) -> None:
    """While microphone and speaker are in use, session.stats() has what they have lost."""
    on = stage()
    talk = on.talk(silence(500))
    assert on.session.stats().underruns == 0
    monkeypatch.setattr(talk._input, "dropped_ms", 40.0)
    monkeypatch.setattr(type(talk.output.player), "underruns", 3)
    stats = on.session.stats()
    assert (stats.underruns, stats.dropped_audio_ms) == (3, 40.0)
    talk.stop()


def test_the_conversation_as_it_is_said(stage: Stages, server: LocalServer) -> None:
    """An item each, the user's and the model's, in order, with what is said piece by piece."""
    on = stage()
    server.script.transcripts(["what is the time", "and now"])
    server.reply("it is noon", "later")
    talk = on.talk(sound(600) + silence(800) + sound(600))
    told: list[tuple[str, str]] = []
    reader = threading.Thread(
        target=lambda: told.extend((i.role, "".join(i.text_deltas())) for i in talk), name="reader"
    )
    reader.start()
    on.until(lambda: talk.ended)
    reader.join(LIMIT)
    assert told == [
        ("user", "what is the time"),
        ("assistant", "it is noon"),
        ("user", "and now"),
        ("assistant", "later"),
    ]


def settings(on: Stage) -> tuple[Any, Any]:
    """The server's model of transcription, and whether it interrupts."""
    on.settle()
    heard = on.session.config.audio.input  # type: ignore[union-attr]
    return (
        heard.transcription and heard.transcription.model,
        heard.turn_detection and heard.turn_detection.interrupt_response,
    )


def test_the_session_is_left_as_it_was(stage: Stages) -> None:
    """What a talk has set is set back at its end, but for what somebody has changed meanwhile."""
    on = stage(turn_detection="server_vad")
    assert settings(on) == (None, True)
    for ask in ({"barge_in": "off"}, {"transcription": "whisper-1", "barge_in": "manual"}):
        on.talk(**ask)
        assert settings(on) == (ask.get("transcription", TRANSCRIPTION), False)
        on.line.stop()
        assert settings(on) == (None, True)
    on.talk(barge_in="off")
    on.session.update(transcription="gpt-4o-transcribe")
    on.line.stop()
    assert settings(on) == ("gpt-4o-transcribe", True)


def test_a_file_waits_for_the_answer(stage: Stages, server: LocalServer) -> None:
    """With half duplex nothing of a file is lost while the model speaks, and nothing cut."""
    on = stage()
    server.reply(sound(2000, 660), sound(700, 550))
    talk = on.talk(sound(600) + silence(700) + sound(900) + silence(300))
    on.until(lambda: talk.ended)
    with_audio = [
        on.session.conversation.retrieve(item.id or "")
        for item in on.session.conversation.items
        if item.role == "user"
    ]
    lengths = [len(item.audio) / 48 for item in with_audio]
    assert lengths == pytest.approx([600 + 200, 300 + 900 + 200], abs=60)
    assert all(item.status == "completed" for item in on.session.conversation.items)


def test_half_duplex(stage: Stages, server: LocalServer) -> None:
    """While the speaker plays, and for the tail, the microphone is silent: no echo interrupts."""
    on = stage()
    server.reply(sound(1500, 660))
    talk = on.talk(tail_ms=200)
    on.microphone.say(sound(600))
    on.until(lambda: talk.playing)
    on.microphone.say(sound(1400))  # the echo of what is played
    on.until(lambda: not talk.playing)
    on.pass_ms(600)
    assert len(sent(server, "response.cancel")) == 0
    assert [item.role for item in on.session.conversation.items] == ["user", "assistant"]
    assert len(on.sink.pcm) >= 1500 * 48


@pytest.mark.row("F47", bound="silent within 130 ms; cut within 40 ms of what was heard")
@pytest.mark.parametrize("interrupts", [True, False])
def test_barge_in(stage: Stages, server: LocalServer, interrupts: bool) -> None:
    """Speech silences the speaker at once; the conversation holds what was heard."""
    detection = {"type": "server_vad", "interrupt_response": interrupts}
    on = stage(turn_detection=detection)
    words = " ".join(f"word{n}" for n in range(40))
    server.reply(words, "fine")
    talk = on.talk(echo="none")
    on.microphone.say(sound(600))
    on.until(lambda: talk.playing)
    on.pass_ms(1000)
    on.microphone.say(sound(600))
    began = on.clock.now()
    with on.session.expect("playback.interrupted") as told:
        on.until(lambda: not talk.playing)
    stopped = on.clock.now()
    event = told.result(timeout=LIMIT)
    assert event.reason == "speech"
    # three frames of detection, the next slice, and the fade-out
    assert stopped - began < 0.13
    assert max(t for t, pcm in on.sink.slices if any(pcm)) <= stopped
    heard = sum(len(pcm) for t, pcm in on.sink.slices if t <= stopped) / 48
    assert event.played_ms == pytest.approx(heard, abs=40)
    on.until(lambda: on.session.conversation.items[-1].text == "fine")
    item = next(i for i in on.session.conversation.items if i.role == "assistant")
    assert words.startswith(item.transcript or "?")
    assert event.heard_text == item.transcript
    (truncate,) = sent(server, "conversation.item.truncate")
    assert truncate["audio_end_ms"] == int(event.played_ms)
    assert len(sent(server, "response.cancel")) == 0  # it had been received whole


def test_barge_in_cancels_where_the_server_does_not(stage: Stages, server: LocalServer) -> None:
    """A response that still runs is cancelled by us, if interrupt_response is off."""
    on = stage(turn_detection={"type": "server_vad", "interrupt_response": False})
    server.script.hold(after=30)
    server.reply(" ".join(f"word{n}" for n in range(60)))
    talk = on.talk(echo="none")
    on.microphone.say(sound(600))
    on.until(lambda: talk.playing)
    on.pass_ms(300)
    on.microphone.say(sound(600))
    on.until(lambda: sent(server, "response.cancel"))
    assert len(sent(server, "response.cancel")) == 1


def test_speech_before_anything_was_heard(stage: Stages, server: LocalServer) -> None:
    """Nothing of the answer was heard: its item is deleted, and no truncate is sent."""
    on = stage()
    server.script.hold(after=0)
    on.talk(echo="none")
    on.microphone.say(sound(600))
    on.until(lambda: on.session.response.active)
    on.microphone.say(sound(600))
    on.until(lambda: len(on.session.conversation.items) >= 3)
    assert not sent(server, "conversation.item.truncate")
    server.script.release()


def test_manual(stage: Stages, server: LocalServer) -> None:
    """Speech stops nothing until interrupt() is called; the server is told not to, either."""
    on = stage()
    words = " ".join(f"word{n}" for n in range(40))
    server.reply(words)
    talk = on.talk(echo="none", barge_in="manual")
    on.microphone.say(sound(600))
    on.until(lambda: talk.playing)
    on.microphone.say(sound(600))
    on.pass_ms(1500)
    assert talk.playing
    detection = on.session.config.audio.input.turn_detection  # type: ignore[union-attr]
    assert detection is not None
    assert detection.interrupt_response is False
    with on.session.expect("playback.interrupted") as told:
        on.session.interrupt()
    assert told.result(timeout=LIMIT).reason == "client"
    on.pass_ms(60)
    assert not talk.playing


def test_off(stage: Stages, server: LocalServer) -> None:
    """What is said while the model speaks is not heard, headphones or not."""
    on = stage()
    server.reply(sound(1500, 660))
    talk = on.talk(echo="none", barge_in="off")
    on.microphone.say(sound(600))
    on.until(lambda: talk.playing)
    on.microphone.say(sound(600))
    on.until(lambda: not talk.playing)
    on.pass_ms(1000)
    assert [item.role for item in on.session.conversation.items] == ["user", "assistant"]


def test_local_detection(stage: Stages, server: LocalServer) -> None:
    """Without the server's turn detection ours commits, asks for the answer, and interrupts."""
    on = stage(turn_detection=None)
    words = " ".join(f"word{n}" for n in range(40))
    server.reply(words, "fine")
    told: list[Any] = []
    on.session.on("playback.interrupted", told.append)
    talk = on.talk(echo="none", local_vad={"silence_duration_ms": 300})
    on.microphone.say(silence(1000) + sound(600))
    on.until(lambda: talk.playing)
    item = on.session.conversation.retrieve(on.session.conversation.items[0].id or "")
    assert len(item.audio) / 48 == pytest.approx(300 + 600 + 300, abs=40)
    on.microphone.say(sound(600))
    on.until(lambda: told)
    on.until(lambda: on.session.conversation.items[-1].text == "fine")


@pytest.mark.parametrize("format", ["audio/pcmu", "audio/pcma"])
def test_telephone_audio(stage: Stages, server: LocalServer, format: str) -> None:
    """G.711 goes out and comes in; what is played has the length of what was said."""
    on = stage(input_format=format, output_format=format)
    server.reply(sound(1000, 660))
    talk = on.talk(sound(800))
    on.until(lambda: talk.ended)
    assert len(on.sink.pcm.rstrip(b"\0")) / 48 == pytest.approx(1000, abs=30)


def test_mute(stage: Stages, server: LocalServer) -> None:
    """Muted, nothing is heard; levels tell."""
    on = stage()
    talk = on.talk(muted=True)
    assert talk.muted
    on.microphone.say(sound(600))
    on.pass_ms(1000)
    assert on.session.conversation.items == ()
    talk.unmute()
    on.microphone.say(sound(600))
    on.pass_ms(100)
    assert talk.input_level > -30
    on.until(lambda: on.session.conversation.items)
    talk.mute()
    on.pass_ms(40)
    assert talk.input_level == float("-inf")


def test_transcription_is_switched_on(stage: Stages) -> None:
    """Where the session has none; not where it has one, or where it is to stay as it is."""

    def held(on: Stage) -> Any:
        on.step()
        audio: Any = on.session.config.audio
        return audio.input.transcription and audio.input.transcription.model

    on = stage()
    on.talk()
    assert held(on) == "gpt-4o-mini-transcribe"
    on = stage(transcription="whisper-1")
    on.talk()
    assert held(on) == "whisper-1"
    on = stage()
    on.talk(transcription=None)
    assert held(on) is None
    on = stage()
    on.talk(transcription="gpt-4o-transcribe")
    assert held(on) == "gpt-4o-transcribe"


def test_recording(stage: Stages, server: LocalServer, tmp_path: Path) -> None:
    """Both sides, each where it was in time: the answer begins after the question."""
    on = stage()
    server.reply(sound(1000, 660))
    both = tmp_path / "both.wav"
    talk = on.talk(silence(500) + sound(1000), record=both)
    on.until(lambda: talk.ended)
    with wave.open(str(both)) as file:
        assert (file.getnchannels(), file.getframerate()) == (2, 24_000)
        frames = np.frombuffer(file.readframes(10**7), "<i2").reshape(-1, 2)
    user, model = (np.flatnonzero(frames[:, side]) / 24 for side in (0, 1))
    assert user[0] == pytest.approx(500, abs=60)
    assert user[-1] == pytest.approx(1500, abs=60)
    began = next(t for t, pcm in on.sink.slices if any(pcm)) * 1000
    assert model[0] == pytest.approx(began, abs=60)
    assert model[-1] - model[0] == pytest.approx(1000, abs=30)


def test_a_recording_that_cannot_go_on(
    stage: Stages, server: LocalServer, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, caplog: Any
) -> None:
    """A full disk ends the recording, with one warning, and not the conversation."""
    real = WavSink.write

    def write(sink: WavSink, pcm: Any) -> None:
        if sink.played_ms > 1000:
            raise OSError(28, "No space left on device")
        real(sink, pcm)

    monkeypatch.setattr(WavSink, "write", write)
    on = stage()
    reply = sound(700, 660)
    server.reply(reply)
    talk = on.talk(sound(1000), record=tmp_path / "both.wav")
    on.until(lambda: talk.ended)
    talk.wait(timeout=LIMIT)
    assert on.sink.pcm.rstrip(b"\0") == reply.rstrip(b"\0")
    assert [one for one in caplog.messages if "No space" in one] == [
        "the recording ends here: [Errno 28] No space left on device"
    ]
    with wave.open(str(tmp_path / "both.wav")) as file:
        assert file.getnframes() == pytest.approx(24_000, rel=0.2)


def test_a_recording_that_cannot_begin(
    stage: Stages, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The call says so; the file that could be made is closed, and another talk may begin."""
    closed: list[WavSink] = []
    real = WavSink.close

    def close(sink: WavSink) -> None:
        closed.append(sink)
        real(sink)

    monkeypatch.setattr(WavSink, "close", close)
    on = stage()
    with pytest.raises(FileNotFoundError):
        on.talk(record=(tmp_path / "user.wav", tmp_path / "none" / "model.wav"))
    assert len(closed) == 1
    on.talk().stop()


def test_no_file_is_two(stage: Stages, tmp_path: Path) -> None:
    """Of the source, the sink and the recording none writes over another; nothing is touched."""
    on, said = stage(), tmp_path / "said.wav"
    write_wav(said, sound(200))
    before = said.read_bytes()
    for speaker, record in ((said, None), (on.sink, str(said)), (on.sink, (tmp_path / "a", said))):
        with pytest.raises(ConfigurationError, match=r"said\.wav is given twice"):
            on.session.talk(str(said), speaker, record=record)
    assert said.read_bytes() == before
    on.talk().stop()


def test_ask_is_heard_too(stage: Stages, server: LocalServer) -> None:
    """While the speaker is in use it plays every response of the default conversation."""
    on = stage()
    server.reply(sound(600, 660), sound(500, 550))
    talk = on.talk()
    future = on.session.submit("say something")
    on.until(lambda: talk.playing)
    on.until(lambda: not talk.playing)
    assert future.result(LIMIT).status == "completed"
    assert len(on.sink.pcm) / 48 == pytest.approx(600, abs=30)
    on.session.response.create(conversation="none", timeout=LIMIT).wait(timeout=LIMIT)
    on.pass_ms(100)
    assert not talk.playing


def test_stop(stage: Stages, server: LocalServer) -> None:
    """Silence at once, from whichever side; idempotent; then there may be another."""
    on = stage()
    server.reply(sound(5000, 660))
    talk = on.talk()
    on.microphone.say(sound(600))
    on.until(lambda: talk.playing)
    on.clock.release()
    on.session.stop_talking()
    talk.stop()
    assert talk.ended
    assert repr(talk) == "<Talk, over>"
    assert list(talk) is not None
    talk.wait(timeout=LIMIT)


def test_closing_the_session_ends_it(stage: Stages) -> None:
    """No thread is left."""
    on = stage()
    talk = on.talk()
    on.clock.release()
    on.session.close()
    talk.wait(timeout=LIMIT)
    assert talk.ended


def test_losing_the_session_ends_it(stage: Stages, server: LocalServer) -> None:
    """For good: the talk is over by itself."""
    on = stage()
    talk = on.talk()
    server.script.cut(after=0)
    on.session.send({"type": "input_audio_buffer.clear"})
    on.clock.release()
    talk.wait(timeout=LIMIT)


def test_one_at_a_time(stage: Stages) -> None:
    """A second one is refused by name."""
    on = stage()
    on.talk()
    with pytest.raises(ConfigurationError, match="stop_talking"):
        on.session.talk()


class Broken:
    def read(self) -> bytes:
        raise OSError("no more")


def test_one_at_a_time_of_many_threads(stage: Stages) -> None:
    """Of eight who begin at once one has the devices; the others are told. Then it is free."""
    on = stage()
    here, begun, refused = threading.Barrier(8), [], []

    def begin() -> None:
        here.wait(LIMIT)
        try:
            begun.append(Talk(on.session, on.microphone, Sink(on.clock), clock=on.clock))
        except ConfigurationError as exc:
            refused.append(str(exc))

    threads = [threading.Thread(target=begin) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(LIMIT)
    on.clock.release()
    for one in begun:
        one.stop()
    assert (len(begun), len(refused)) == (1, 7)
    assert all("stop_talking() first" in one for one in refused)
    with pytest.raises(TypeError):
        on.session.talk(object(), on.sink)
    on.talk().stop()


def test_a_source_that_raises(stage: Stages, logged_errors: list[Any]) -> None:
    """The talk ends, and wait() says why."""
    on = stage()
    talk = on.talk(Broken())
    with pytest.raises(AudioError, match="no more"):
        talk.wait(timeout=LIMIT)
    assert len(logged_errors) == 1


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"echo": "loud"}, "echo"),
        ({"barge_in": "maybe"}, "barge_in"),
        ({"local_vad": 3}, "local_vad"),
        ({"local_vad": True}, "turn_detection"),
        ({"tail_ms": -1}, "tail_ms"),
        ({"tail_ms": "100"}, "tail_ms: 0 to 5000 milliseconds, not '100'"),
        ({"tail_ms": None}, "tail_ms"),
    ],
)
def test_what_cannot_be(stage: Stages, options: dict[str, Any], says: str) -> None:
    """It is named, and nothing was begun."""
    on = stage()
    with pytest.raises(ConfigurationError, match=says):
        on.talk(**options)
    assert on.session._line is None


def test_without_turn_detection(stage: Stages) -> None:
    """Nobody would notice that somebody has spoken: it says so."""
    on = stage(turn_detection=None)
    with pytest.raises(ConfigurationError, match="local_vad"):
        on.talk()


def test_files_that_are_not_there(stage: Stages, tmp_path: Path) -> None:
    """It is said by the call, and nothing is left open."""
    on = stage()
    with pytest.raises(OSError, match=r"none\.wav"):
        on.session.talk(tmp_path / "none.wav", on.sink)
    assert on.session._line is None


def test_echo_cancelled(stage: Stages, server: LocalServer) -> None:
    """With "aec" the echo of the model interrupts nothing."""
    pytest.importorskip("livekit", reason="needs livekit: pip install livekit")
    on = stage()
    reply = sound(1500, 660)
    server.reply(reply)
    talk = on.talk(echo="aec")
    on.microphone.say(sound(600))
    on.until(lambda: talk.playing)
    on.pass_ms(100)
    on.until(lambda: not talk.playing)
    assert len(on.sink.pcm) / 48 == pytest.approx(1500, abs=30)


def test_over_a_lost_link(server: LocalServer) -> None:
    """The talk goes on over the next link: what is said then is answered, and heard."""
    policy = ReconnectPolicy(delays=(0, 0.05, 0.1))
    with RealtimeSession(endpoint=server.endpoint, reconnect=policy) as session:
        on = Stage(session)
        talk = on.talk()
        on.pass_ms(200)
        with session.expect("connection.restored") as restored:
            server.script.cut(after=0)
            session.input_audio_buffer.append(silence(20))
            session.send({"type": "input_audio_buffer.clear"})
            restored.result(timeout=LIMIT)
        server.reply(sound(500, 660))
        on.microphone.say(sound(600))
        on.until(lambda: talk.playing)
        on.until(lambda: not talk.playing)
        assert len(on.sink.pcm) / 48 == pytest.approx(500, abs=30)
        on.close()


def test_without_a_canceller(
    stage: Stages, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It says what to install, and leaves no file open."""
    monkeypatch.setitem(sys.modules, "livekit.rtc", None)
    on = stage()
    with pytest.raises(AudioUnavailable, match="aec"):
        on.session.talk(sound(100), tmp_path / "answer.wav", echo="aec")
    assert on.session._line is None


def test_half_duplex_says_so_once(stage: Stages, caplog: pytest.LogCaptureFixture) -> None:
    """That speech interrupts nothing, where it was to interrupt."""
    _tell_once.cache_clear()
    for _ in range(2):
        stage().talk()
    said = [record for record in caplog.records if "interrupts nothing" in record.message]
    assert len(said) == 1
