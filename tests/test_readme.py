from __future__ import annotations

import base64
import configparser
import io
import re
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import redirect_stdout
from pathlib import Path
from textwrap import dedent
from types import ModuleType
from typing import Any

import pytest
from blocks import BLOCKS, PLACES, ROOT, UNNAMED

import realtime_sync
from realtime_sync import errors
from realtime_sync.audio import read_wav, write_wav
from realtime_sync.local import LocalServer, call
from realtime_sync.runtime.dispatcher import Dispatcher

README = (ROOT / "README.rst").read_text(encoding="utf-8")
CHANGELOG = (ROOT / "CHANGELOG.rst").read_text(encoding="utf-8")
SAMPLES = (ROOT / "samples" / "README.rst").read_text(encoding="utf-8")

#: A PNG of one white pixel.
PICTURE = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAAAAAA6fptVAAAACklEQVR4nGP4DwABAQEAG7buVgAAAABJRU5ErkJggg=="
)
OFFER = "v=0\r\no=- 1 1 IN IP4 0.0.0.0\r\ns=-\r\nt=0 0\r\nm=audio 9 UDP/TLS/RTP/SAVPF 0\r\n"

Prepare = Callable[[LocalServer], object]


def owe(server: LocalServer) -> None:
    """A model that looks something up and wants to pay."""
    server.script.mcp("docs", {"search": "You owe Ada 300 euros."})
    server.reply(
        server.mcp_call("docs", "search", query="debts"),
        server.call("pay", euros=300.0, to="Ada"),
        "I may not pay 300 euros.",
    )


def nothing(server: LocalServer) -> None:
    """It answers by its rules."""


def bakery(server: LocalServer) -> None:
    """The file that the page shows, and the module that it names."""
    page = (ROOT / "docs/howto/configuration.rst").read_text(encoding="utf-8")
    shown = page.partition("code-block:: toml\n")[2].partition(".. code-block")[0]
    Path("agent.toml").write_text(dedent(shown), encoding="utf-8")

    def price_of(bread: str) -> float:
        """What a bread costs, in euros."""
        return {"loaf": 4.2}[bread]

    module = sys.modules.setdefault("bakery", ModuleType("bakery"))
    module.price_of = price_of  # type: ignore[attr-defined]
    server.reply(call("price_of", bread="loaf"), "A loaf is 4.20.")


def answers(*replies: Any) -> Prepare:
    """A model that answers so, one after the other."""
    return lambda server: server.reply(*replies)


#: Block -> what the server is told to answer, and what the block must print.
EXPECTED: dict[str, tuple[Prepare, list[str]]] = {
    "ten-lines": (
        lambda server: server.reply(
            server.call("temperature", city="Oslo"), "It is 4.5 degrees.", "To Rome, of course."
        ),
        ["It is 4.5 degrees.\n", "To Rome, of course."],
    ),
    "text-example": (
        lambda server: None,
        [
            "Hello! You said",
            "completed",
            "Once upon a time",
            "1, 2, 3.\n",
            "user completed Count to 3",
        ],
    ),
    "voice-example": (lambda server: None, ["[your speech, 0.5 s]\n"]),
    "transcription-example": (
        lambda server: server.script.transcripts(["a question", {"transcript": "una pregunta"}]),
        [
            "a\na question\n",
            "a question None ()\n",
            "una pregunta[speech, 0.1 s]  500.0 ms of audio\n",
        ],
    ),
    "batch-example": (
        lambda server: None,
        ["{'completed': 100} ", "completed 1, 2, 3.\n"],
    ),
    "score-example": (lambda server: None, ["count True 1.0\n", "tea False 0.0\n"]),
    "calls-example": (
        lambda server: Path("offer.sdp").write_text(OFFER, encoding="ascii"),
        ["1, 2, 3.\n"],
    ),
    "player-example": (lambda server: None, ["True 0\n"]),
    "talk-example": (
        lambda server: (server.script.transcripts(["a question"]), server.reply("an answer")),
        ["user a question\nassistant an answer\n"],
    ),
    "push-to-talk-example": (lambda server: server.reply("an answer"), ["an answer\n"]),
    "buffer-example": (lambda server: None, ["500.0 ms of audio"]),
    "history-example": (
        lambda server: server.reply("A warm red.", "Red."),
        ["user What colour", "assistant A warm red.\n", "Red.\n"],
    ),
    "callbacks-example": (lambda server: None, ["How can I help you? => completed", "Hello!\n"]),
    "tools-example": (
        lambda server: server.reply(
            server.call("price_of", drink="coffee", cups=3), "Three coffees cost 7.50."
        ),
        ["price_of 7.5 None\n", "Three coffees cost 7.50."],
    ),
    "approval-example": (
        owe,
        [
            "may I search {'query': 'debts'}\n",
            "may I pay {'euros': 300.0, 'to': 'Ada'}\n",
            "I may not pay 300 euros.",
        ],
    ),
    "stages-example": (
        lambda server: server.reply(
            server.call("price_of", bread="loaf"),
            server.call("classify_response", outcome="ordered"),
            "That is 4.20.",
        ),
        [
            "order -> payment\n",
            "That is 4.20.\n",
            "payment ('paid', 'question') ('classify_response',)\n",
        ],
    ),
    "agents-example": (
        lambda server: server.reply(
            server.call("transfer_to_billing", reason="a bill"),
            server.call("last_bill"),
            "You owe 7.50.",
        ),
        [
            "front desk -> billing\n",
            "You owe 7.50.\n",
            "<Agent billing> ('last_bill', 'transfer_to_front_desk')\n",
        ],
    ),
    "guardrail-example": (
        lambda server: server.reply("Three euros.", "Sorry, I cannot say."),
        ["a price\n"],
    ),
    "assistant-example": (lambda server: None, ["Hello! You said", "2 items\n", "1, 2, 3.\n"]),
    "chat-example": (
        lambda server: server.reply(
            server.call("in_stock", fruit="pears"), "Yes, three.", "I put them aside."
        ),
        ["Yes, three.\n", "I put them aside. 6\n"],
    ),
    "endpoints-example": (lambda server: None, ["Hello!"]),
    "errors-example": (
        lambda server: server.reply(["Hel", RuntimeError("hiccups")]),
        ["the model failed: server_error after Hel", "refused: item_delete_invalid_item_id"],
    ),
    "links-example": (lambda server: None, ["How can I help you?\n"]),
    "server-example": (lambda server: None, []),
    "recording-example": (lambda server: None, []),
    "stats-example": (lambda server: None, ["{'completed': 5} ", " 0 0\nTrue\n2\n"]),
    "telemetry-example": (
        lambda server: pytest.importorskip("opentelemetry.sdk"),
        ["chat gpt-realtime-2.1 ", "realtime_session gpt-realtime-2.1 "],
    ),
    "plugin-example": (lambda server: None, []),  # its test is run by tests/test_plugin.py
    # a conversation of the other shard: this one connects to nobody
    "shards-example": (
        lambda server: Path("jobs.jsonl").write_text('{"id": "a", "turns": ["Hello!"]}\n'),
        [],
    ),
    "tutorial-ask": (nothing, ["Hello!", "1, 2, 3.\n"]),
    "tutorial-stream": (nothing, ["Once upon a", " ...\n"]),
    "tutorial-tool": (answers(call("free_tables", hour=19), "Yes, two."), ["Yes, two.\n"]),
    "tutorial-hear": (nothing, ["How can I help you? True\n"]),
    "tutorial-talk": (nothing, ["user: [speech, ", "assistant: [your speech, "]),
    "tutorial-test": (nothing, []),
    "text-howto": (nothing, ["assistant completed\n", "1, 2, 3.\n", "2 items: "]),
    "many-howto": (nothing, ["True\n"]),
    "barge-in-howto": (nothing, ["2 items\n"]),
    "tool-context-howto": (
        answers(call("find", words="rain"), call("find", words="warm rain"), "Two pages."),
        ["two or more", '["about cold rain","about warm rain"]', "Two pages.", "('find',)\n"],
    ),
    "wire-tool-howto": (answers(call("clock"), "It is noon."), ["It is noon.\n"]),
    "stage-faults-howto": (
        nothing,
        ["2 faults", "stages.order.goal: a text is needed", "no stage 'till'; there are: order"],
    ),
    "configuration-howto": (
        bakery,
        ["A loaf is 4.20.\n", "{'microphone': 'USB', 'echo': 'none'}\n"],
    ),
    "configuration-faults-howto": (
        nothing,
        [
            "config: 3 faults\n",
            "voise: unknown key; do you mean 'voice'?\n",
            "there is no 'flor' in math; do you mean 'floor'?\n",
            'api_key_env = "OPENAI_API_KEY"\n',
        ],
    ),
    "both-howto": (nothing, ["True\n"]),
    "compatible-howto": (nothing, ["1, 2, 3.\n"]),
    "phone-howto": (
        answers("Good morning.", call("opening_hours", day="Friday"), "From 8 to 6."),
        ["Good morning.\nFrom 8 to 6.\n"],
    ),
    "faults-howto": (nothing, ["cut off: True\n1, 2, 3.\n"]),
    "watching-howto": (nothing, ["watch it at http://127.0.0.1:", "/ui/\n1, 2, 3.\n"]),
    "metrics-howto": (nothing, ["done\n", "True True\n"]),
    "frames-howto": (nothing, ["completed\n", "system You may speak of colours.\n", "0 left\n"]),
    "transcription-howto": (nothing, ["question.wav [speech, 0.5 s]\n"]),
    "translation-howto": (nothing, ["[speech, 0.5 s]"]),
    "pump-howto": (nothing, ["1, 2, 3.\n"]),
    "dispatch-howto": (nothing, ["completed\n"]),
    "notebook-howto": (nothing, ["completed, '1, 2, 3.'>\n", "True open\n"]),
    "widget-howto": (nothing, []),
    "widget-files-howto": (
        nothing,
        ["True\n<PushToTalkWidget, ready>\n<PushToTalkWidget, over>\n"],
    ),
    "web-howto": (nothing, ["1, 2, 3.\n", "This"]),
    "asyncio-howto": (nothing, ["1, 2, 3.\n"]),
    "from-openai": (nothing, ["How can I help you?\n1, 2, 3.\n"]),
    "from-javascript": (
        answers(call("set_memory", key="name", value="Ada"), "Hello, Ada."),
        ["user My name is Ada.\n", "assistant Hello, Ada.\n", "{'name': 'Ada'}\n"],
    ),
    "from-livekit": (
        answers(call("transfer_to_kitchen", reason="hungry"), "What would you like?"),
        ["host -> kitchen\n", "What would you like?\n", "1 created\n"],
    ),
    "from-pipecat": (nothing, ["True\n"]),
    "from-kani": (
        answers(call("temperature", city="Oslo"), "4.5 degrees."),
        ['function_call {"city": "Oslo"}\n', "message 4.5 degrees.\n", "['Oslo']\n"],
    ),
}


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[LocalServer]:
    """A server without pacing, which the environment names; a sound and a picture lie around."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.argv", ["program", "0"])
    for name in ("question.wav", "hello.wav"):  # the tutorial's own
        write_wav(name, (b"\x10\x20" * 20 + b"\xf0\xdf" * 20) * 200, 16000)
    Path("picture.png").write_bytes(PICTURE)
    with LocalServer(speed=None, voice="tones") as running:
        monkeypatch.setenv("OPENAI_BASE_URL", running.url)
        monkeypatch.setenv("OPENAI_API_KEY", "any")
        monkeypatch.setenv("AZURE_OPENAI_ENDPOINT", running.url.removesuffix("/v1"))
        monkeypatch.setenv("AZURE_OPENAI_API_KEY", "any")
        yield running


def test_every_python_block_is_run() -> None:
    """No block of Python, in README or docs/, without a name of its own and its line here."""
    assert UNNAMED == []
    assert set(BLOCKS) == set(EXPECTED)


@pytest.mark.parametrize("name", EXPECTED)
def test_a_block_does_what_it_shows(name: str, server: LocalServer) -> None:
    """It runs as it stands, and prints what its reader is led to expect."""
    prepare, expected = EXPECTED[name]
    given = {"incoming": server.incoming_call()} if name == "phone-howto" else {}
    prepare(server)
    output = io.StringIO()
    with redirect_stdout(output):
        exec(compile(BLOCKS[name], f"{PLACES[name]} {name}", "exec"), {"__name__": name, **given})
    for words in expected:
        assert words in output.getvalue()


def test_pump_howto_where_the_io_thread_is_slow(
    server: LocalServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The whole answer is shown, though its future is done before the last callbacks are due."""
    put, never = Dispatcher.put, threading.Event()

    def late(self: Dispatcher, entries: Any) -> None:
        never.wait(0.05)  # as where another thread has the processor
        put(self, entries)

    monkeypatch.setattr(Dispatcher, "put", late)
    test_a_block_does_what_it_shows("pump-howto", server)


def test_the_voice_example_writes_its_file(server: LocalServer) -> None:
    """answer.wav has the speech that came back, at 24 kHz."""
    exec(compile(BLOCKS["voice-example"], "README.rst", "exec"), {})
    pcm, rate = read_wav("answer.wav")
    assert (len(pcm), rate) == (24000, 24000)


@pytest.mark.parametrize(
    "text", [README, CHANGELOG, SAMPLES], ids=["README", "CHANGELOG", "samples"]
)
def test_it_renders(text: str) -> None:
    """docutils has nothing to say about it, with what package indexes forbid switched off."""
    core = pytest.importorskip("docutils.core", reason="needs: pip install docutils")
    complaints = io.StringIO()
    settings = {
        "report_level": 1,
        "halt_level": 5,
        "warning_stream": complaints,
        "file_insertion_enabled": False,
        "raw_enabled": False,
        "syntax_highlight": "none",
    }
    core.publish_doctree(text, settings_overrides=settings)
    assert complaints.getvalue() == ""


@pytest.mark.parametrize("text", [README, CHANGELOG], ids=["README", "CHANGELOG"])
def test_a_package_index_renders_it(text: str) -> None:
    """By the renderer that `twine check` and PyPI use, as a page whose links lead somewhere."""
    rst = pytest.importorskip("readme_renderer.rst", reason="needs: pip install readme_renderer")
    complaints = io.StringIO()
    page = rst.render(text, stream=complaints)
    assert page is not None, complaints.getvalue()
    assert complaints.getvalue() == ""
    # a path of the repository leads nowhere there
    assert re.findall(r'(?:href|src)="(?!https?://|#)[^"]*"', page) == []


def test_the_readme_is_the_long_description() -> None:
    """setup.cfg gives the index README.rst, and says what it is."""
    config = configparser.ConfigParser()
    config.read(ROOT / "setup.cfg", encoding="utf-8")
    metadata = config["metadata"]
    assert metadata["long_description"] == "file: README.rst"
    assert metadata["long_description_content_type"] == "text/x-rst"


def test_it_names_every_extra() -> None:
    """The table of extras is that of setup.cfg."""
    config = configparser.ConfigParser()
    config.read(ROOT / "setup.cfg", encoding="utf-8")
    named = re.findall(r"^``([a-z]+)`` +\S", README.partition("\nText\n")[0], re.MULTILINE)
    assert sorted(named) == sorted(config["options.extras_require"])


def test_it_names_every_error() -> None:
    """The tree of errors is that of the library; ToolRetry and devices stand for themselves."""
    named = set(re.findall(r"[├└]── (\w+)", README.partition("\nConcepts\n")[0])) | {
        "RealtimeError"
    }
    assert named <= set(errors.__all__)
    assert set(errors.__all__) - named == {
        "AudioUnavailable",
        "DeviceNotFound",
        "DeviceLost",
        "ToolRetry",
    }


def test_it_names_every_sample_and_command() -> None:
    """Whoever looks for one finds it."""
    for path in (*(ROOT / "samples").glob("*.py"), *(ROOT / "samples").glob("*.ipynb")):
        assert f"``{path.name}``" in README
    for command in ("demo", "chat", "ask", "serve", "replay"):
        assert f"realtime-sync {command}" in README
    assert 'pip install ".[cli,local,voice]" && realtime-sync demo' in README
    assert 'pip install ".[test]" && pytest' in README


def test_the_changelog_knows_this_version() -> None:
    """Its newest heading is the package's version."""
    newest = re.search(r"^(\d+\.\d+\.\d+)", CHANGELOG, re.MULTILINE)
    assert newest is not None
    assert newest[1] == realtime_sync.__version__
