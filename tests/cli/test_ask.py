from __future__ import annotations

import wave
from pathlib import Path

import pytest

from realtime_sync.audio import read_wav, write_wav
from realtime_sync.local import LocalServer

from .conftest import Run


@pytest.fixture
def here(server: LocalServer) -> list[str]:
    """The options that name the test's server."""
    return ["--url", server.url, "--api-key", "any"]


def one_line(text: str) -> bool:
    return text.startswith("Error: ") and text.count("\n") == 1 and "Traceback" not in text


def test_the_reply_is_printed(run: Run, here: list[str]) -> None:
    """stdout has the reply and a line break, nothing else."""
    done = run("ask", "count to 3", *here)
    assert (done.returncode, done.stdout, done.stderr) == (0, "1, 2, 3.\n", "")


def test_a_pipe_gets_the_text_as_it_is(run: Run, here: list[str], server: LocalServer) -> None:
    """Long lines, brackets, line breaks, other scripts: unchanged."""
    text = "[bold]x[/bold] :smile: " + "word " * 60 + "\n\n  日本語 \u00a0 end"
    server.reply(text)
    assert run("ask", "hello", *here).stdout == text + "\n"


def test_save_writes_the_spoken_reply(run: Run, here: list[str], tmp_path: Path) -> None:
    """--save asks for audio and writes PCM16 mono at 24 kHz; the transcript is printed."""
    path = tmp_path / "reply.wav"
    done = run("ask", "count to 3", "--save", str(path), *here)
    assert (done.returncode, done.stdout, done.stderr) == (0, "1, 2, 3.\n", "")
    with wave.open(str(path)) as wav:
        assert (wav.getnchannels(), wav.getsampwidth(), wav.getframerate()) == (1, 2, 24000)
        assert wav.getnframes() > 2400


def test_audio_is_the_users_speech(run: Run, here: list[str], tmp_path: Path) -> None:
    """--audio sends a WAV file of any rate; the embedded server gives it back."""
    spoken, back = tmp_path / "in.wav", tmp_path / "out.wav"
    write_wav(spoken, b"\x10\x20" * 8000, 16000)
    done = run("ask", "--audio", str(spoken), "--save", str(back), *here)
    assert (done.returncode, done.stdout) == (0, "[your speech, 0.5 s]\n")
    pcm, rate = read_wav(back)
    assert (rate, len(pcm)) == (24000, 24000)


def test_long_speech_goes_too(run: Run, here: list[str], tmp_path: Path) -> None:
    """One event of more bytes than the link takes at once, with the next one behind it."""
    write_wav(tmp_path / "in.wav", b"\x10\x20" * 24000 * 20)
    done = run("ask", "--audio", str(tmp_path / "in.wav"), "--timeout", "20", *here)
    assert (done.returncode, done.stdout) == (0, "[your speech, 20.0 s]\n")


def test_audio_and_text_go_together(
    run: Run, here: list[str], server: LocalServer, tmp_path: Path
) -> None:
    """Both are parts of one item."""
    write_wav(tmp_path / "in.wav", bytes(9600))
    assert run("ask", "What is this?", "--audio", str(tmp_path / "in.wav"), *here).returncode == 0
    item = next(e["item"] for e in server.received if e["type"] == "conversation.item.create")
    assert [part["type"] for part in item["content"]] == ["input_text", "input_audio"]


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["hi", "--audio", "no-such.wav"],
        ["hi", "--save", "no-such-directory/reply.wav"],
        *(["hi", "--timeout", "0"], ["hi", "--timeout", "nan"], ["hi", "--timeout", "inf"]),
        ["hi", "there"],
        ["hi", "--nonsense"],
        ["hi", "--url", "ftp://example.org"],
        ["hi", "--url", "http://example.org", "--api-key", "any"],
        ["hi", "--url", "http://127.0.0.1:1", "--api-key", "two words"],
    ],
)
def test_wrong_usage_is_2(run: Run, arguments: list[str]) -> None:
    """What the command line cannot mean ends with 2, before anybody is asked."""
    done = run("ask", *arguments)
    assert (done.returncode, done.stdout) == (2, "")
    assert "Usage:" in done.stderr


def test_a_failed_response_is_one_line(run: Run, here: list[str], server: LocalServer) -> None:
    """The text that came is on stdout, the reason on stderr, the exit code is 1."""
    server.reply(["Well", RuntimeError("the model has\nhiccups \x1b[31m")])
    done = run("ask", "hello", *here)
    assert (done.returncode, done.stdout) == (1, "Well\n")
    assert one_line(done.stderr)
    assert "hiccups" in done.stderr
    assert "\x1b" not in done.stderr


def test_a_lost_link_is_one_line(run: Run, here: list[str], server: LocalServer) -> None:
    """So is a link that breaks in the middle."""
    server.script.cut(after=8)
    done = run("ask", "tell me a story", *here)
    assert done.returncode == 1
    assert one_line(done.stderr)


def test_a_mute_server_is_one_line(run: Run, here: list[str], server: LocalServer) -> None:
    """--timeout bounds the wait."""
    server.script.mute(after=4)
    done = run("ask", "hello", "--timeout", "0.2", *here)
    assert (done.returncode, done.stdout) == (1, "")
    assert one_line(done.stderr)


def test_a_server_out_of_reach_is_one_line(run: Run) -> None:
    """No link: exit code 1, one line."""
    done = run("ask", "hello", "--url", "http://127.0.0.1:1/v1")
    assert (done.returncode, done.stdout) == (1, "")
    assert one_line(done.stderr)


def test_what_is_no_wav_file_is_one_line(run: Run, here: list[str], tmp_path: Path) -> None:
    """A file that holds no sound: exit code 1, one line that names it."""
    path = tmp_path / "noise.wav"
    path.write_text("la la la")
    done = run("ask", "--audio", str(path), *here)
    assert (done.returncode, done.stdout) == (1, "")
    assert one_line(done.stderr)
    assert "noise.wav" in done.stderr


def test_a_file_without_a_sample_is_one_line(run: Run, here: list[str], tmp_path: Path) -> None:
    """Speech of no length: exit code 1, one line."""
    path = tmp_path / "silence.wav"
    write_wav(path, b"")
    done = run("ask", "--audio", str(path), *here)
    assert (done.returncode, done.stdout) == (1, "")
    assert one_line(done.stderr)
    assert "audio" in done.stderr


def test_a_reply_without_audio_is_not_saved(
    run: Run, here: list[str], server: LocalServer, tmp_path: Path
) -> None:
    """No file is written, and the exit code says so."""
    server.reply("")
    done = run("ask", "hello", "--save", str(tmp_path / "reply.wav"), *here)
    assert done.returncode == 1
    assert one_line(done.stderr)
    assert not (tmp_path / "reply.wav").exists()


def test_without_the_extra_local_one_line_says_what_to_install(without: Run) -> None:
    """No key, no URL and no embedded server: what to install."""
    done = without("websockets", "ask", "hello")
    assert (done.returncode, done.stdout) == (1, "")
    assert one_line(done.stderr)
    assert "realtime_sync[local]" in done.stderr
