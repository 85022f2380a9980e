"""`realtime-sync talk`, `say` and `devices`, without devices."""

from __future__ import annotations

import json
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
from nullsinks import NullSinks, missing

from realtime_sync.audio import read_wav, write_wav
from realtime_sync.cli.talk import _tell
from realtime_sync.errors import DeviceLost
from realtime_sync.events import local as events_of
from realtime_sync.local import LocalServer
from realtime_sync.local.speech import tones

from .conftest import Run
from .terminal import Terminal


@pytest.fixture
def here(server: LocalServer) -> list[str]:
    """The options that lead to the server."""
    return ["--url", server.url, "--api-key", "any"]


@pytest.fixture
def question(tmp_path: Path) -> Path:
    path = tmp_path / "question.wav"
    write_wav(path, tones("what is it"))
    return path


def sounding(path: Path) -> float:
    """Seconds from the first to the last sound."""
    pcm, rate = read_wav(path)
    loud = np.flatnonzero(np.abs(np.frombuffer(pcm, "<i2").astype(int)) > 60)
    return float(loud[-1] - loud[0]) / rate if len(loud) else 0.0


def test_files_for_devices(
    run: Run, here: list[str], server: LocalServer, question: Path, tmp_path: Path
) -> None:
    """A question from a file, the answer into one; both sides as lines on standard output."""
    answer, both = tmp_path / "answer.wav", tmp_path / "both.wav"
    server.script.transcripts(["what is it"])
    server.reply("it is a test")
    done = run(
        "talk", *here, "--input", str(question), "--output", str(answer), "--record", str(both)
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == "you: what is it\nmodel: it is a test\n"
    spoken = len(tones("it is a test")) / 48_000
    assert sounding(answer) == pytest.approx(spoken, abs=0.2)
    assert both.stat().st_size > answer.stat().st_size


def test_a_word_ends_it(
    run: Run, here: list[str], server: LocalServer, question: Path, tmp_path: Path
) -> None:
    """The talk ends where the user says the stopword, as a word of its own."""
    write_wav(question, tones("what is it") + bytes(96_000) + tones("what else is there"))
    server.script.transcripts(["Goodbyes are sad.", "So: GOODBYE, my friend"])
    server.reply("yes", " ".join(f"word{n}" for n in range(200)))
    files = ["--input", str(question), "--output", str(tmp_path / "answer.wav")]
    done = run("talk", *here, *files, "--stopword", "goodbye")
    assert (done.returncode, done.stderr) == (0, "")
    assert "Goodbyes are sad." in done.stdout
    assert "So: GOODBYE, my friend" in done.stdout
    assert sounding(tmp_path / "answer.wav") < 20
    assert run("talk", *here, *files, "--stopword", " ").returncode == 2


def test_the_model_speaks_first(
    run: Run, here: list[str], server: LocalServer, tmp_path: Path
) -> None:
    """--ai-first asks for a response before anybody has said a word."""
    silence = tmp_path / "silence.wav"
    write_wav(silence, bytes(48_000))
    server.reply("welcome")
    done = run(
        *("talk", *here, "--ai-first", "--input", str(silence)),
        *("--output", str(tmp_path / "answer.wav")),
    )
    assert (done.returncode, done.stdout) == (0, "model: welcome\n")


def test_on_a_terminal(
    here: list[str], server: LocalServer, question: Path, tmp_path: Path
) -> None:
    """What both say is shown, with levels while it lasts."""
    server.script.transcripts(["what is it"])
    server.reply("it is a test")
    files = ["--input", str(question), "--output", str(tmp_path / "answer.wav")]
    with Terminal("talk", *here, *files) as terminal:
        terminal.expect("you  ")
        terminal.expect("model")
        terminal.expect("it is a test")
        assert terminal.ended() == 0


def test_ctrl_c_twice_ends_it(
    here: list[str], server: LocalServer, question: Path, tmp_path: Path
) -> None:
    """Once interrupts the model; again ends the talk, in order."""
    server.reply(" ".join(f"word{n}" for n in range(200)))
    files = ["--input", str(question), "--output", str(tmp_path / "answer.wav")]
    with Terminal("talk", *here, *files) as terminal:
        terminal.expect("word3")
        terminal.type("\x03")
        terminal.expect("…")
        assert terminal.ended_by("\x03") == 0
    kinds = [event["type"] for event in server.received]
    assert {"conversation.item.truncate", "conversation.item.delete"} & set(kinds)


@pytest.mark.parametrize(
    "arguments",
    [
        ["talk", "--input", "no-such.wav"],
        ["talk", "--output", "no-such-directory/answer.wav"],
        ["talk", "--echo", "loud"],
        ["say"],
        ["say", "hello", "--save", "no-such-directory/said.wav"],
        ["say", "hello", "--save", "said.mp3"],
        ["talk", "--record", "both.FLAC"],
        ["record", "noise.ogg"],
        ["record", "noise.wav", "--seconds", "inf"],
        ["record", "noise.wav", "--seconds", "nan"],
    ],
)
def test_wrong_usage_is_2(run: Run, arguments: list[str]) -> None:
    """What the command line cannot mean ends with 2, before anybody is asked."""
    done = run(*arguments)
    assert (done.returncode, done.stdout) == (2, "")


def test_key_and_file(run: Run, here: list[str], question: Path) -> None:
    """A file presses no key."""
    assert run("talk", "--push-to-talk", "--input", str(question), *here).returncode == 2


@pytest.mark.parametrize("options", [["--output"], ["--record"], ["--output", "--record"]])
def test_no_file_is_two(
    run: Run, here: list[str], question: Path, tmp_path: Path, options: list[str]
) -> None:
    """The question is not written over by the answer, nor the answer by both sides."""
    before = question.read_bytes()
    path = question if len(options) == 1 else tmp_path / "answer.wav"
    files = [word for option in options for word in (option, str(path))]
    done = run("talk", *here, "--input", str(question), *files)
    assert done.returncode == 2
    assert f"{options[-1].strip('-')} are one file" in done.stderr
    assert question.read_bytes() == before


def test_a_file_that_is_no_sound(run: Run, here: list[str], tmp_path: Path) -> None:
    """One line, exit code 1; what is to be the answer is left as it was."""
    path = tmp_path / "noise.wav"
    path.write_bytes(b"RIFF")
    answer = tmp_path / "answer.wav"
    answer.write_bytes(b"an older answer")
    done = run("talk", *here, "--input", str(path), "--output", str(answer))
    assert done.returncode == 1
    assert answer.read_bytes() == b"an older answer"
    assert done.stderr.startswith("Error: ")
    assert done.stderr.count("\n") == 1


def test_say_into_a_file(run: Run, here: list[str], tmp_path: Path) -> None:
    """A text, said, in a WAV file."""
    path = tmp_path / "said.wav"
    done = run("say", "hello", *here, "--save", str(path))
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert sounding(path) > 0.2


def test_devices_without_a_library(without: Run) -> None:
    """One line says what to install."""
    if find_spec("sounddevice") is not None:
        pytest.skip("sounddevice is installed, which would do")
    done = without("pyaudio", "devices")
    assert done.returncode == 1
    assert "pip install" in done.stderr


_missing = missing()
with_audio = pytest.mark.skipif(bool(_missing), reason=_missing or "")


@with_audio
def test_devices_are_listed(run: Run) -> None:
    """Both kinds, the default marked."""
    with NullSinks() as sinks:
        done = run("devices", **sinks.environment)
        as_json = run("devices", "--json", **sinks.environment)
    assert (done.returncode, done.stderr) == (0, "")
    assert "Microphones\n" in done.stdout
    assert "→" in done.stdout
    found = [json.loads(line) for line in as_json.stdout.splitlines()]
    assert any(device["default_output"] for device in found)


@with_audio
def test_push_to_talk(
    here: list[str], server: LocalServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The space bar begins what is said, and ends it; the answer is heard."""
    with NullSinks() as sinks:
        for name, value in sinks.environment.items():
            monkeypatch.setenv(name, value)
        server.script.transcripts(["what is it"])
        server.reply("it is a test")
        with Terminal("talk", *here, "--push-to-talk") as terminal:
            terminal.expect("space: speak")
            terminal.type(" ")
            terminal.expect("space: done")
            sinks.say(tones("what is it")).wait(10)
            terminal.type(" ")
            terminal.expect("what is it")
            terminal.expect("it is a test")
            assert terminal.ended_by("\x03") == 0


def test_no_microphone(run: Run, here: list[str]) -> None:
    """One line that says so, and that files will do."""
    done = run("talk", *here, "--microphone", "no such microphone")
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (1, "", 1)
    assert "--input SAID.WAV" in done.stderr


@pytest.mark.parametrize("kind", ["lost", "restored"])
def test_a_device_that_goes_away(kind: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Whoever sits there is told; what a device is called steers no terminal."""
    error = DeviceLost("gone")
    events = {
        "lost": events_of.DeviceLost(
            direction="input", device="\x1b[31m", error=error, retrying=True
        ),
        "restored": events_of.DeviceRestored(direction="output", device="USB"),
    }
    _tell(events[kind])
    said = capsys.readouterr().err
    assert "\x1b" not in said
    assert ("microphone" in said and "gone" in said) or said == "The speaker 'USB' goes on.\n"
