"""`realtime-sync transcribe`, `translate` and `record`, without devices."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from nullsinks import NullSinks, missing
from views.terminal import rows

from realtime_sync.audio import read_wav, write_wav
from realtime_sync.local import LocalServer
from realtime_sync.local.speech import tones

from .conftest import Run
from .terminal import Terminal


@pytest.fixture
def here(server: LocalServer) -> list[str]:
    """The options that lead to the server."""
    return ["--url", server.url, "--api-key", "any"]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two sound files, one in a folder below, and a file that is none of these."""
    folder = tmp_path / "interviews"
    (folder / "more").mkdir(parents=True)
    write_wav(folder / "first.wav", tones("one"))
    write_wav(folder / "more" / "second.WAV", tones("two"), 48_000)
    (folder / "notes.txt").write_text("none of these")
    return folder


def test_one_file(run: Run, here: list[str], server: LocalServer, folder: Path) -> None:
    """Its text, and nothing else, is standard output; the options reach the server."""
    server.script.transcripts(["what was said"])
    options = ["--language", "en", "--model", "gpt-4o-transcribe", "--prompt", "numbers"]
    done = run("transcribe", *here, str(folder / "first.wav"), *options)
    assert (done.returncode, done.stdout, done.stderr) == (0, "what was said\n", "")
    update = next(e for e in server.received if e["type"] == "session.update")
    heard = update["session"]["audio"]["input"]["transcription"]
    assert heard == {"model": "gpt-4o-transcribe", "language": "en", "prompt": "numbers"}


def test_a_folder(run: Run, here: list[str], server: LocalServer, folder: Path) -> None:
    """Every sound file in it and below, each behind its name; one named twice comes once."""
    server.script.transcripts(["one", "two"])
    first, second = folder / "first.wav", folder / "more" / "second.WAV"
    done = run("transcribe", *here, str(folder), str(first))
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == f"{first}: one\n{second}: two\n"


def test_as_json(run: Run, here: list[str], server: LocalServer, folder: Path) -> None:
    """A line of JSON for each file."""
    server.script.transcripts(["one", "two"])
    done = run("transcribe", *here, str(folder), "--json")
    told = [json.loads(line) for line in done.stdout.splitlines()]
    assert done.returncode == 0
    assert [(Path(one["file"]).name, one["text"]) for one in told] == [
        ("first.wav", "one"),
        ("second.WAV", "two"),
    ]
    assert set(told[0]) == {"file", "text", "language", "confidence", "segments", "errors"}


def test_one_that_is_no_sound(run: Run, here: list[str], server: LocalServer, folder: Path) -> None:
    """It is named on standard error, the others are written down, and the exit code is 1."""
    server.script.transcripts(["one", "two"])
    broken = folder / "broken.wav"
    broken.write_text("la la la")
    done = run("transcribe", *here, str(folder))
    assert done.returncode == 1
    assert done.stdout.count("\n") == 2
    assert done.stderr.startswith(f"Error: {broken}")
    assert done.stderr.count("\n") == 1
    as_json = run("transcribe", *here, str(broken), "--json")
    assert as_json.returncode == 1
    assert set(json.loads(as_json.stdout)) == {"file", "error"}


def test_a_piece_that_failed(run: Run, here: list[str], server: LocalServer, folder: Path) -> None:
    """It is told on standard error; the exit code is 1."""
    server.script.transcripts([RuntimeError("unintelligible")])
    done = run("transcribe", *here, str(folder / "first.wav"))
    assert done.returncode == 1
    assert "a piece is missing" in done.stderr
    assert "unintelligible" in done.stderr


def test_a_server_out_of_reach(run: Run, folder: Path) -> None:
    """One line, not one a file; the exit code is 1."""
    for command in ("transcribe", "translate"):
        path = folder / "first.wav"
        done = run(command, str(path), "--url", "http://127.0.0.1:1/v1")
        assert (done.returncode, done.stdout, done.stderr.count("\n")) == (1, "", 1)


@pytest.mark.parametrize(
    "arguments",
    [
        ["transcribe"],
        ["transcribe", "nowhere.wav"],
        ["translate"],
        ["translate", "nowhere.wav"],
        ["record"],
        ["record", "no/such/folder/it.wav"],
        ["record", "it.wav", "--seconds", "0"],
    ],
)
def test_wrong_usage_is_2(run: Run, arguments: list[str]) -> None:
    """What cannot be meant ends with 2, before anybody is asked."""
    done = run(*arguments)
    assert (done.returncode, done.stdout) == (2, "")
    assert "Usage:" in done.stderr


def test_a_folder_without_sound(run: Run, tmp_path: Path) -> None:
    """There is nothing to write down: wrong usage."""
    done = run("transcribe", str(tmp_path))
    assert done.returncode == 2
    assert "no sound file in this folder" in done.stderr


def test_a_folder_on_a_terminal(here: list[str], server: LocalServer, folder: Path) -> None:
    """A bar shows how far it is; the texts stay above it."""
    server.script.transcripts(["one", "two"])
    with Terminal("transcribe", *here, str(folder)) as terminal:
        terminal.expect("0 of 2")
        terminal.expect("one")
        terminal.expect("two")
        assert terminal.ended() == 0


def test_a_file_that_fails_on_a_terminal(here: list[str], folder: Path) -> None:
    """Its error has a line of its own, which the bar does not write over."""
    (folder / "third.wav").write_bytes(b"no sound")
    with Terminal("transcribe", *here, str(folder)) as terminal:
        assert terminal.ended() == 1
    shown = rows(terminal.raw)
    assert any(line.startswith("Error: ") for line in shown)
    assert not any("of 3" in line for line in shown)


def test_a_translation(run: Run, here: list[str], folder: Path, tmp_path: Path) -> None:
    """Its text on standard output, its sound in a file."""
    spoken = tmp_path / "spoken.wav"
    source = str(folder / "first.wav")
    done = run("translate", *here, source, "--to", "es", "--save", str(spoken))
    assert (done.returncode, done.stderr) == (0, "")
    assert "speech" in done.stdout  # the embedded server's: it does not know the language
    pcm, rate = read_wav(spoken)
    assert rate == 24_000
    assert any(pcm)


def test_a_translation_as_json(run: Run, here: list[str], folder: Path) -> None:
    """What was said, too, where that is asked for."""
    source = str(folder / "first.wav")
    done = run("translate", *here, source, "--transcription", "gpt-4o-transcribe", "--json")
    assert done.returncode == 0
    told = json.loads(done.stdout)
    assert set(told) == {"file", "text", "input_text", "audio", "errors"}
    assert (told["file"], told["audio"], told["errors"]) == (source, None, [])
    assert told["input_text"]


@pytest.mark.skipif(bool(missing()), reason=missing() or "")
def test_a_recording(run: Run, tmp_path: Path) -> None:
    """What the microphone hears, as long as was asked for."""
    path = tmp_path / "heard.wav"
    with NullSinks() as sinks:
        player = sinks.say(tones("somebody speaks for a while, and it is not short") * 2)
        done = run("record", str(path), "--seconds", "1.5", **sinks.environment)
        player.terminate()
        player.wait(10)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith(f"{path}: 1.5 s")
    pcm, rate = read_wav(path)
    assert (len(pcm) // 2, rate) == (36_000, 24_000)


def test_a_recording_without_a_microphone(run: Run, tmp_path: Path) -> None:
    """One line that says so; what was in the file is still there."""
    path = tmp_path / "heard.wav"
    path.write_bytes(b"precious")
    done = run("record", str(path), "--microphone", "no such microphone")
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (1, "", 1)
    assert path.read_bytes() == b"precious"
