"""The sample of a chat in a web page: as its script, and as a page."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from websockets.sync.client import ClientConnection, connect
from websockets.typing import Subprotocol

from realtime_sync.audio import write_wav
from realtime_sync.local import LocalServer
from realtime_sync.local.speech import tones

from .served import SAMPLE, serving

streamlit = pytest.importorskip("streamlit", reason="needs: pip install streamlit")


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[LocalServer]:
    """A server without pacing, to which the environment points."""
    with LocalServer(speed=None, voice="tones") as running:
        monkeypatch.setenv("OPENAI_BASE_URL", running.url)
        monkeypatch.setenv("OPENAI_API_KEY", "any")
        yield running


@pytest.fixture
def page(server: LocalServer) -> Iterator[Any]:
    """What the script makes, before anybody has done anything."""
    from streamlit.testing.v1 import AppTest

    yield AppTest.from_file(str(SAMPLE), default_timeout=20).run()
    streamlit.cache_resource.clear()


def said(page: Any) -> list[tuple[str, str]]:
    """Who says what in a page that nothing has gone wrong in."""
    assert not page.exception
    assert not page.error
    return [(each.name, each.markdown[0].value) for each in page.chat_message]


def test_a_typed_turn(page: Any) -> None:
    """Both sides are shown, and the reply is heard, once."""
    page.chat_input[0].set_value("Count to 3").run()
    assert said(page) == [("user", "Count to 3"), ("assistant", "1, 2, 3.")]
    assert len(page.get("audio")) == 1
    page.run()
    assert len(said(page)) == 2
    assert len(page.get("audio")) == 0


def test_a_spoken_turn(page: Any, server: LocalServer, tmp_path: Path) -> None:
    """A recording is sent, once, and written down; the reply is heard."""
    server.script.transcripts(["what is it"])
    server.reply("it is a test", "you are welcome")
    write_wav(tmp_path / "speech.wav", tones("what is it"), 24_000)
    page.audio_input[0].upload("speech.wav", (tmp_path / "speech.wav").read_bytes()).run()
    spoken = [("user", "what is it"), ("assistant", "it is a test")]
    assert said(page) == spoken
    assert len(page.get("audio")) == 1
    page.chat_input[0].set_value("Thank you.").run()
    assert said(page) == [*spoken, ("user", "Thank you."), ("assistant", "you are welcome")]


def test_errors_are_shown(page: Any, server: LocalServer) -> None:
    """A turn that fails says so, and the next one does not; so does a session that is not there."""
    server.reply(RuntimeError("hiccups"))
    page.chat_input[0].set_value("Hello!").run()
    assert [each.value for each in page.error] == ["the response failed: hiccups"]
    page.chat_input[0].set_value("Count to 3").run()
    assert said(page)[-1] == ("assistant", "1, 2, 3.")
    streamlit.cache_resource.clear()
    server.script.refuse(401, "no such key")
    page.run()
    assert "no such key" in page.error[0].value


def test_a_closed_tab_closes_its_session(server: LocalServer, tmp_path: Path) -> None:
    """Each tab has a session of its own, which ends with it."""
    with serving(tmp_path) as page:
        url = f"{page.replace('http', 'ws')}/_stcore/stream"
        first, second = tab(url), tab(url)
        until(lambda: links() == 2)
        first.close()
        until(lambda: links() == 1)
        second.close()
        until(lambda: links() == 0)


def tab(url: str) -> ClientConnection:
    """A browser's tab: it has connected, and asks for the page."""
    from streamlit.proto.BackMsg_pb2 import BackMsg

    asked = BackMsg()
    asked.rerun_script.query_string = ""
    link = connect(url, subprotocols=[Subprotocol("streamlit")], max_size=None)
    link.send(asked.SerializeToString())
    return link


def links() -> int:
    """How many sessions there are at the server."""
    names = [thread.name for thread in threading.enumerate()]
    return sum(name.startswith("realtime-local-link-") for name in names)


def until(so: Callable[[], bool]) -> None:
    """Waits for it."""
    ends = time.monotonic() + 20
    while not so():
        assert time.monotonic() < ends, links()
        time.sleep(0.02)
