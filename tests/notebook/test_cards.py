"""What a notebook shows of what people hold."""

from __future__ import annotations

import pickle
import re
import subprocess
import sys

import pytest

from realtime_sync import Item, RealtimeSession, connect_transcription, items
from realtime_sync.core.usage import SessionUsage
from realtime_sync.errors import ResponseFailed
from realtime_sync.local import LocalServer
from realtime_sync.text import ChatSession

from .reading import EVIL, Page, read

KEY = "sk-never-shown"


def shown(thing: object) -> Page:
    """As a notebook shows it."""
    return read(thing._repr_html_())  # type: ignore[attr-defined]


@pytest.fixture
def session(server: LocalServer) -> RealtimeSession:
    """Not open yet."""
    return RealtimeSession(base_url=server.url, api_key=KEY, turn_detection=None, voice="marin")


# --- responses


def test_a_reply(session: RealtimeSession) -> None:
    """Its words, all its sound, how long it took, what it cost."""
    with session:
        reply = session.ask("Count to 3")
        page = shown(reply)
        assert page.text.startswith("1, 2, 3.● completed · first audio after ")
        assert " · done after " in page.text
        assert reply.usage is not None
        assert page.text.endswith(f" · {reply.usage.total_tokens} tokens")
        assert page.sounds == [(24_000, 1, reply.audio)]


def test_a_reply_of_a_telephone(server: LocalServer) -> None:
    """Its audio is decoded, at 8 kHz."""
    with RealtimeSession(endpoint=server.endpoint, output_format="audio/pcmu") as session:
        reply = session.ask("Count to 3")
    ((rate, _, pcm),) = shown(reply).sounds
    assert (rate, len(pcm)) == (8_000, 2 * len(reply.audio))


def test_a_reply_in_text(session: RealtimeSession) -> None:
    """There is nothing to hear, and nothing to hear it by."""
    with session:
        page = shown(session.ask("Hi", output_modalities=["text"]))
    assert page.sounds == []
    assert " · first text after " in page.text


def test_what_a_model_says_is_no_page(session: RealtimeSession, server: LocalServer) -> None:
    """Whatever it says, calls, or is told: a notebook shows the words."""

    def look_up(what: str) -> str:
        return EVIL

    server.reply(server.call("look_up", what=EVIL), EVIL)
    with session:
        session.tools.add(look_up)
        reply = session.ask(EVIL)
        assert EVIL in shown(reply).text
        page = shown(session.conversation)
        assert page.text.count("alert(1)") == 4  # asked, called, found, said
        assert shown(session.conversation.items[0]).text == f"user{EVIL}"


def test_a_call(session: RealtimeSession, server: LocalServer) -> None:
    """A response that calls shows what it calls."""
    server.reply(server.call("price_of", drink="tea"))
    with session:
        reply = session.ask("?", tools=[{"type": "function", "name": "price_of"}])
    assert '→ price_of({"drink": "tea"})' in shown(reply).text


def test_how_it_ended(session: RealtimeSession, server: LocalServer) -> None:
    """Where it did not end well, why."""
    server.reply(RuntimeError("the <b>model</b> broke"))
    with session:
        with pytest.raises(ResponseFailed) as failed:
            session.ask("Hi")
        assert "● failed: server_error: the <b>model</b> broke" in shown(failed.value.response).text
        cut = session.ask("Count to 50", max_output_tokens=3)
        assert "● incomplete: max_output_tokens" in shown(cut).text


def test_while_it_runs_and_afterwards(session: RealtimeSession, server: LocalServer) -> None:
    """One that runs shows what has come; one that was pickled shows what it was."""
    server.script.hold(after=1)
    with session:
        running = session.response.create()
        assert "● in progress" in shown(running).text
        assert "1 response" in shown(session).text
    again = pickle.loads(pickle.dumps(running))
    assert "● lost" in shown(again).text


# --- sessions


def test_a_session(session: RealtimeSession) -> None:
    """Its state, model, voice, server, what it has done and cost."""
    page = shown(session)
    assert page.text.startswith("● new")
    assert "gpt-realtime-2.1" in page.text
    assert "since" not in page.text
    with session:
        session.ask("Count to 3")
        page = shown(session)
        port = session._setup.where
        words = (
            "● open  RealtimeSession",
            *("gpt-realtime-2.1", "voicemarin", f"server{port}", "2 items", "turns1"),
            *("1 completed", f"tokens{session.usage.total_tokens}"),
        )
        assert [word for word in words if word not in page.text] == []
        assert re.search(r"since\d\d:\d\d:\d\d \(\d+ s\)", page.text)
        assert "pending" not in page.text
    page = shown(session)
    assert page.text.startswith("● closed")
    assert re.search(r"opened\d\d:\d\d:\d\d[^ ]", page.text)  # and no age, which would grow
    assert "since" not in page.text


def test_no_key(session: RealtimeSession, server: LocalServer) -> None:
    """No key is ever part of it: not the endpoint's, not one in a URL."""
    with session:
        assert KEY not in session._repr_html_()
    for url in (f"ws://user:{KEY}@127.0.0.1:1/v1", f"ws://127.0.0.1:1/v1?api-key={KEY}"):
        try:
            other = RealtimeSession(base_url=url, api_key=KEY)
        except ValueError:
            continue  # refused: nothing to show
        assert KEY not in other._repr_html_()


def test_other_sessions(server: LocalServer) -> None:
    """Those that write down, and those of text models, have a card too."""
    with connect_transcription(endpoint=server.endpoint) as heard:
        assert "● open  TranscriptionSession" in shown(heard).text
    chat = ChatSession("gpt-4.1-mini", api_key=KEY)
    assert "● new  ChatSessionmodelgpt-4.1-mini" in shown(chat).text


def test_a_lost_session(server: LocalServer) -> None:
    """One that was lost for good says why."""
    with RealtimeSession(endpoint=server.endpoint, reconnect=None) as session:
        with session.expect("connection.closed") as over:
            server.script.cut()
            session.send({"type": "session.update", "session": {"type": "realtime"}})
            over.result(timeout=10)
        assert shown(session).text.startswith("● closed: ")


def test_what_waits(session: RealtimeSession, server: LocalServer) -> None:
    """Queued turns and calls that run are pending."""
    server.script.hold(after=1)
    with session:
        with session.expect("response.created") as begun:
            session.submit("one")
            session.submit("two")
        begun.result(timeout=10)
        assert "pending1 response, 1 queued response" in shown(session).text


# --- conversations and figures


def test_a_conversation_with_sound(server: LocalServer) -> None:
    """Where the session keeps the audio, both sides can be heard."""
    with RealtimeSession(endpoint=server.endpoint, save_audio=True) as session:
        assert shown(session.conversation).text == "nothing was said yet"
        spoken = b"\x10\x20" * 12_000
        reply = session.ask(audio=spoken)
        page = shown(session.conversation)
        assert page.text == f"user[audio]assistant{reply.text}"
        assert [pcm for _, _, pcm in page.sounds] == [spoken, reply.audio]


def test_a_long_conversation(session: RealtimeSession) -> None:
    """The newest hundred items are shown; long ones are cut."""
    with session:
        session.conversation.sync([items.user(f"number {n}") for n in range(102)])
        page = shown(session.conversation)
        assert page.text.startswith("… 2 earlier itemsusernumber 2user")
    assert shown(items.user("x" * 5_000)).text.endswith("x … (5000 characters)")


@pytest.mark.parametrize(
    ("item", "text"),
    [
        (items.system("Be brief."), "systemBe brief."),
        (items.function_output("call_1", "12"), "← 12"),
        (Item(type="function_call", name="f", arguments="{}"), "→ f({})"),
        (Item(type="mcp_list_tools"), "→ mcp_list_tools()"),
        (
            Item(role="assistant", status="incomplete", content=()),
            "assistant (incomplete)[no words]",
        ),
    ],
)
def test_items(item: Item, text: str) -> None:
    """Who said what; calls and their outputs."""
    assert shown(item).text == text


def test_figures(session: RealtimeSession) -> None:
    """Tokens and timings as tables."""
    with session:
        session.ask("Count to 3")
        page = shown(session.stats())
        assert page.text.startswith("● openresponses1 completedtokens")
        assert "p50p90p95max" in page.text
        assert f"total tokens{session.usage.total_tokens}" in shown(session.usage).text
    assert shown(SessionUsage()).text == "responses0"


def test_nothing_of_ipython_is_loaded() -> None:
    """A card needs neither IPython nor ipywidgets, and no session loads what cards need."""
    code = (
        "import sys; from realtime_sync import RealtimeSession; s = RealtimeSession(api_key='k');"
        "assert not any(n.startswith('realtime_sync.notebook') for n in sys.modules);"
        "s._repr_html_();"
        "assert not {'IPython', 'ipywidgets', 'numpy', 'comm'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)


def test_in_a_terminal(session: RealtimeSession) -> None:
    """There a reply, a session and its figures are one short line each."""
    with session:
        reply = session.ask("Count to 3")
        assert repr(reply) == f"<Response {reply.id} completed, '1, 2, 3.'>"
        assert repr(session) == "<RealtimeSession open, 2 items>"
        stats = repr(session.stats())
        assert stats.startswith("<SessionStats open, 1 completed, first_audio ")
        assert stats.endswith(f", {session.usage.total_tokens} tokens>")
        assert len(stats) < 160
        assert " 0" not in repr(session.usage).replace("=", " ")
        assert eval(repr(session.usage), {"SessionUsage": SessionUsage}) == session.usage
