"""Conversations that are held and scored, and recordings that are written down."""

from __future__ import annotations

import json
import pickle
from pathlib import Path
from typing import Any

import pytest

from realtime_sync.audio import write_wav
from realtime_sync.batch import (
    Conversation,
    Converse,
    Result,
    Transcribe,
    Turn,
    conversations,
    recordings,
    run,
)
from realtime_sync.batch.job import digest
from realtime_sync.errors import ConfigurationError
from realtime_sync.local import LocalServer
from realtime_sync.local.speech import tones

TEXT = {"output_modalities": ["text"]}
PRICE = "batch.shop:price"


@pytest.fixture
def key(monkeypatch: pytest.MonkeyPatch) -> str:
    """The variable that has the key."""
    monkeypatch.setenv("BATCH_KEY", "any")
    return "BATCH_KEY"


def held(server: LocalServer, key: str, talk: dict[str, Any], **settings: Any) -> Result:
    """What becomes of one conversation."""
    given = {"options": TEXT, "url": server.url, "key_env": key, "timeout": 20, **settings}
    (result,) = run([Conversation.of(talk)], Converse(**given))
    return result


def checks(holder: dict[str, Any]) -> dict[str, bool]:
    """What was expected, and whether it came."""
    return {one["what"]: one["passed"] for one in holder["checks"]}


@pytest.mark.parametrize("chat", [False, True])
def test_a_scripted_conversation(server: LocalServer, key: str, chat: bool) -> None:
    """Each turn is scored by its calls, its text and its time; so is the whole."""
    server.reply(
        "Good day.",
        server.call("price", drink="tea"),
        "Tea is 2 euros.",
    )
    talk = {
        "id": "tea",
        "turns": [
            {"say": "Hello!", "text": "^good", "never": "sorry", "tools": [], "within": 10},
            {
                "say": "How much is tea?",
                "tools": [{"name": "price", "arguments": {"drink": "tea"}}, "refund"],
                "text": ["2 euros", "cents"],
                "within": 1e-9,
            },
        ],
        "expect": {"tools": ["price"], "text": "good.*tea"},
    }
    settings = {"chat": True, "model": "gpt-4.1-mini", "options": {}} if chat else {}
    result = held(server, key, talk, tools=[PRICE], **settings)
    assert (result.status, result.text) == ("completed", "Tea is 2 euros.")
    first, second = result.value["turns"]
    assert checks(first) == {
        "tools: none": True,
        "text: ^good": True,
        "never: sorry": True,
        "within: 10 s": True,
    }
    assert checks(second) == {
        'tool: price {"drink": "tea"}': True,
        "tool: refund": False,
        "text: 2 euros": True,
        "text: cents": False,
        "within: 1e-09 s": False,
    }
    assert checks(result.value) == {"tool: price": True, "text: good.*tea": False}
    assert second["calls"] == [{"name": "price", "arguments": {"drink": "tea"}, "output": "2.0"}]
    assert (result.value["passed"], result.value["score"]) == (False, round(7 / 11, 4))
    assert 0 < second["first"] <= second["seconds"]


@pytest.mark.parametrize("user_model", [None, "gpt-4.1-mini", "gpt-realtime-mini"])
def test_a_simulated_user(server: LocalServer, key: str, user_model: str | None) -> None:
    """A model speaks for the user until he has what he wants; who he is, it alone is told."""
    server.reply("My money!", "Here it is.", "Thank you. [END]", "You are welcome.")
    talk = {"id": 1, "user": "You want your money back.", "expect": {"text": "here"}}
    result = held(server, key, talk, user_model=user_model, instructions="You are a shop.")
    assert [(turn["said"], turn["answer"]) for turn in result.value["turns"]] == [
        ("My money!", "Here it is."),
        ("Thank you.", "You are welcome."),
    ]
    assert result.value["passed"]


def test_a_user_who_does_not_end(server: LocalServer, key: str) -> None:
    """He speaks as often as he may."""
    server.reply(*"abcdef")
    result = held(server, key, {"id": 1, "user": "You are lonely.", "max_turns": 3})
    assert [turn["said"] for turn in result.value["turns"]] == ["a", "c", "e"]


def test_a_server_that_is_too_busy(server: LocalServer, key: str) -> None:
    """In the middle of a conversation it is waited for, and nothing is said twice."""
    server.reply("one", server_busy(), "two")
    result = held(server, key, {"id": 1, "turns": ["first", "second"]})
    assert result.status == "completed"
    assert [turn["answer"] for turn in result.value["turns"]] == ["one", "two"]
    said = [e for e in server.received if e["type"] == "conversation.item.create"]
    assert [e["item"]["content"][0]["text"] for e in said] == ["first", "second"]


def server_busy() -> Exception:
    """What makes a response fail as one that comes too soon."""
    from realtime_sync.errors import ServerError

    return ServerError("Please try again in 50ms.", code="rate_limit_exceeded")


def test_workers_and_jobs_pickle() -> None:
    """So they run anywhere; what is the same elsewhere is the same run."""
    worker = Converse("m", tools=[PRICE], url="http://127.0.0.1:1", key_env="A")
    talk = Conversation(1, (Turn("x", tools=[{"name": "price"}]),))
    assert pickle.loads(pickle.dumps((worker, talk))) == (worker, talk)
    assert digest(worker) == digest(Converse("m", tools=[PRICE], url="http://127.0.0.1:2"))
    assert digest(worker) != digest(Converse("m", instructions="Be brief.", tools=[PRICE]))
    assert digest(talk) != digest(Conversation(1, (Turn("y"),)))


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ('{"id": 1}', "turns or user"),
        ('{"id": 1, "turns": [{}]}', "say or audio"),
        ('{"id": 1, "turns": [{"say": "x", "text": "("}]}', "no regular expression"),
        ('{"id": 1, "turns": [3]}', "a turn is a text"),
        ('{"id": 1, "turn": ["x"]}', "no 'turn'; there are id, turns"),
        ('{"turns": ["x"]}', "needs an id"),
        ('{"id": 1, "user": "x", "max_turns": 0}', "max_turns"),
        ('{"id": 1, "turns": "hi"}', "turns: a list"),
        ('{"id": 1, "turns": 3}', "turns: a list"),
        ('{"id": [], "turns": ["x"]}', "id: a text"),
        ('{"id": true, "turns": ["x"]}', "id: a text"),
        ('{"id": 1, "user": 3}', "user: a text"),
        ('{"id": 1, "turns": ["a", {"say": 3}]}', r"turns\[1\]: say: a text"),
        ('{"id": 1, "turns": [{"say": "x", "within": "x"}]}', r"turns\[0\]: within: seconds"),
        ('{"id": 1, "turns": [{"say": "x", "within": NaN}]}', "within: seconds"),
        ('{"id": 1, "turns": [{"say": "x", "text": 3}]}', "text: a list of patterns"),
        ('{"id": 1, "turns": [{"say": "x", "never": [3]}]}', "never: a list of patterns"),
        ('{"id": 1, "turns": [{"say": "x", "tools": [3]}]}', "tools: a list of names"),
        ('{"id": 1, "turns": ["x"], "expect": "refund"}', "expect: an object"),
        ('{"id": 1, "turns": ["x"], "expect": {"within": []}}', "expect: within: seconds"),
        ("[" * 100_000, "line 2"),
        ("[]", "it is no object"),
        ("{", "line 2"),
    ],
)
def test_lines_that_are_no_conversation(tmp_path: Path, line: str, said: str) -> None:
    """Each is named by its number, with the reason."""
    path = tmp_path / "talks.jsonl"
    path.write_text('{"id": 0, "turns": ["x"]}\n' + line)
    with pytest.raises(ConfigurationError, match=said) as caught:
        conversations(path)
    assert "line 2" in str(caught.value)


@pytest.mark.parametrize("empty", [b"", b"\n \n"])
def test_no_conversation(empty: bytes, tmp_path: Path) -> None:
    """A file without one says what it needs; one that is no UTF-8 says where."""
    path = tmp_path / "talks.jsonl"
    path.write_bytes(empty)
    with pytest.raises(ConfigurationError, match=r"talks.jsonl: no conversation in it"):
        conversations(path)
    path.write_bytes(empty + b"\xff\n")
    with pytest.raises(ConfigurationError, match=r"talks.jsonl, line \d"):
        conversations(path)


def test_a_tool_that_is_not_there() -> None:
    """It is an error before any job is."""
    with pytest.raises(ConfigurationError, match="no_such"):
        Converse(tools=["batch.shop:no_such"])


def test_recordings(server: LocalServer, key: str, tmp_path: Path) -> None:
    """Every sound file of a folder is written down; its minutes are those of its sound."""
    (tmp_path / "calls" / "more").mkdir(parents=True)
    write_wav(tmp_path / "calls" / "a.wav", tones("one"))
    write_wav(tmp_path / "calls" / "more" / "b.wav", bytes(48_000 * 3))
    (tmp_path / "calls" / "c.wav").write_text("la la la")
    server.script.transcripts(["it was said"])
    jobs = recordings(tmp_path / "calls")
    assert [job.id for job in jobs] == ["a.wav", "c.wav", "more/b.wav"]
    worker = Transcribe(language="en", url=server.url, key_env=key)
    found = {one.job: one for one in run(jobs, worker, concurrency=1)}
    assert {name: one.status for name, one in found.items()} == {
        "a.wav": "completed",
        "more/b.wav": "completed",
        "c.wav": "failed",
    }
    assert found["a.wav"].text == "it was said"
    assert found["more/b.wav"].minutes == pytest.approx(0.05)
    assert json.dumps(found["a.wav"].value["errors"]) == "[]"
    with pytest.raises(ConfigurationError, match="no sound file"):
        recordings(tmp_path / "nothing")
