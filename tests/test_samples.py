from __future__ import annotations

import ast
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import realtime_sync
from realtime_sync.audio import read_wav, write_wav
from realtime_sync.local import LocalServer

ROOT = Path(__file__).resolve().parent.parent
SAMPLES = sorted((ROOT / "samples").glob("*.py"))

#: Those with a window or a page, which takes more lines: tests/gui tries them.
WINDOWS = {"tkchat.py", "qtchat.py", "streamlitchat.py"}

#: Sample -> what its output must hold.
SHOWS = {
    "hello.py": ["Hello! You said", "1, 2, 3, 4, 5.", "tokens for both"],
    "stream.py": ["Once upon a time", " ...\n", "1, 2, 3, 4, 5, 6, 7, 8, 9, 10.\n"],
    "tool.py": [
        "(in_stock was called for apples)",
        "in_stock returned: 12",
        "we have no bananas",
        "20 pears are on their way",
        "there is no room for so many",
    ],
    "chat.py": [
        "in_stock returned: 12\n",
        "RequestRefused; still True\n",
        "spoken: 1, 2, 3. (",
        "1, 2.\n    user: Please call in_stock",
        "    function_call_output: 12\n",
    ],
    "callbacks.py": ["Hello! You said", "heard: 1, 2, 3.", "2  response.done", "[completed]"],
    "pump.py": ["the wizard's speech is completed"],
    "speech.py": ["question.wav: Hello! You said", "reply.wav: [your speech, "],
    "stages.py": [
        '    s0 -->|"ordered"| s1\n',
        "price_of returned: 4.2",
        "(order -> question)",  # a callback's line: another thread may print before its end
        'classify_response returned: {"stage":"question"}',
        "(question -> order)",
        "(payment -> _end_)",
        "(went through ('order', 'question', 'order', 'payment'))",
    ],
    "batch.py": ["3 completed 1, 2, 3.\n", "{'completed': 10} "],
    "transcribe.py": ["speech.wav: [speech, "],
    "talk.py": ["Speak.\n", "user: [speech, ", "assistant: [your speech, ", "2 items, "],
    "pushtotalk.py": ["answer: [your speech, "],
    "phone.py": ["no call rings", "(opening_hours returned 8 to 6)", "hung up\n"],
    "many.py": ["20 sessions open, 1 I/O thread\n", "3: 1, 2, 3.\n", "20 of 20 have an answer\n"],
    "translate.py": ["heard: [speech, ", "es: [speech, ", "translated.wav: "],
}

#: Sample -> what it is given; "in.wav" is there, with speech in it.
GIVEN = {"talk.py": ["in.wav", "out.wav"], "pushtotalk.py": ["in.wav", "out.wav"]}


@pytest.fixture
def server() -> Iterator[LocalServer]:
    """A running server without pacing."""
    with LocalServer(speed=None, voice="tones") as running:
        yield running


def run(path: Path, server: LocalServer, where: Path, *arguments: str) -> str:
    """Runs a sample to its end, as its reader would; its output."""
    env = {**os.environ, "OPENAI_BASE_URL": server.url, "OPENAI_API_KEY": "any"}
    # the library under test, also where it is not installed
    env["PYTHONPATH"] = str(Path(realtime_sync.__file__).parent.parent)
    done = subprocess.run(
        [sys.executable, "-X", "dev", "-W", "error", str(path), *arguments],
        env=env,
        cwd=where,
        capture_output=True,
        text=True,
        timeout=100,
    )
    assert (done.returncode, done.stderr) == (0, ""), done.stderr
    return done.stdout


def test_every_sample_is_tested() -> None:
    """A new sample needs its line here."""
    assert {path.name for path in SAMPLES} == set(SHOWS) | WINDOWS


def test_every_sample_is_listed() -> None:
    """samples/README.rst has each, with the first line of its docstring."""
    listed = (ROOT / "samples" / "README.rst").read_text(encoding="utf-8")
    for path in SAMPLES:
        told = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or ""
        assert f"``{path.name}``\n   {told.splitlines()[0]}\n" in listed
    named = set(re.findall(r"^``([a-z]+[.][a-z]+)``$", listed, re.MULTILINE))
    files = {path.name for path in (ROOT / "samples").iterdir() if path.suffix in (".py", ".ipynb")}
    assert named == files


@pytest.mark.parametrize("name", SHOWS)
def test_a_sample_runs(name: str, server: LocalServer, tmp_path: Path) -> None:
    """It does what it says, without a word on stderr."""
    write_wav(tmp_path / "in.wav", (b"\x10\x20" * 20 + b"\xf0\xdf" * 20) * 200, 16000)
    output = run(ROOT / "samples" / name, server, tmp_path, *GIVEN.get(name, ()))
    for words in SHOWS[name]:
        assert words in output


@pytest.mark.parametrize("path", SAMPLES, ids=lambda path: path.name)
def test_a_sample_says_what_one_learns(path: Path) -> None:
    """Its docstring teaches; it is short."""
    text = path.read_text(encoding="utf-8")
    assert "You learn: " in (ast.get_docstring(ast.parse(text)) or "")
    assert len(text.splitlines()) <= (200 if path.name in WINDOWS else 60)


def test_a_stopped_story_is_cancelled(tmp_path: Path) -> None:
    """At the service's pace the story of stream.py is cut, and the server is told."""
    with LocalServer(voice="tones") as paced:
        run(ROOT / "samples" / "stream.py", paced, tmp_path)
        assert "response.cancel" in [event["type"] for event in paced.received]


def test_a_call_that_rings_is_answered(server: LocalServer, tmp_path: Path) -> None:
    """phone.py CALL_ID accepts the call, joins it beside the caller, and ends it."""
    call_id = server.incoming_call()
    output = run(ROOT / "samples" / "phone.py", server, tmp_path, call_id)
    assert "no call rings" not in output
    assert output.endswith("hung up\n")


def test_speech_takes_a_file(server: LocalServer, tmp_path: Path) -> None:
    """speech.py IN.WAV OUT.WAV sends the one and writes the other."""
    write_wav(tmp_path / "in.wav", b"\x10\x20" * 8000, 16000)
    run(ROOT / "samples" / "speech.py", server, tmp_path, "in.wav", "out.wav")
    pcm, rate = read_wav(tmp_path / "out.wav")
    assert (len(pcm), rate) == (24000, 24000)
