"""`load_config`: what a file says, and what is wrong with one."""

from __future__ import annotations

import json
import pickle
import sys
import traceback
from pathlib import Path
from typing import Any

import pytest

from realtime_sync import Config, RealtimeSession, ReconnectPolicy, StageRouter, load_config
from realtime_sync.errors import ConfigurationError
from realtime_sync.events.config import FLAT_FIELDS
from realtime_sync.local import LocalServer

from .bakery import may_pay, price_of

CANARY = "sk-canary-4711-do-not-show"
HEX = "3f2e9a7c5b1d4e6f8a0b9c7d5e3f1a2b"  # a key that does not look like one
MCP = {"type": "mcp", "server_label": "shop", "server_url": "https://shop.example"}
TOOL = f"{price_of.__module__}:price_of"
STAGES: dict[str, Any] = {
    "stages": {
        "order": {
            "accessible_from": "_start_",
            "goal": "Find out what they want.",
            "tools": ["price_of"],
            "outcomes": {"ordered": {"description": "It is clear.", "move_to": "_end_"}},
        }
    }
}
AGENT = f"""
model = "gpt-x"
instructions = "You are a bakery."
output_modalities = ["text"]
tools = ["{TOOL}"]
turn_detection = false
max_duration = 600
ping_interval = false
router = "stages.json"

[transcription]
model = "gpt-4o-mini-transcribe"
language = "en"

[reconnect]
delays = [0.1, 1]
renew_before = false

[endpoint]
type = "compatible"
base_url = "http://127.0.0.1:1/v1"
api_key_env = "BAKERY_KEY"
headers = {{X-Tenant = "7"}}

[talk]
microphone = "USB"
speaker = 3
echo = "none"
"""


def in_toml(*_: Any) -> None:
    """TOML is read, from Python 3.11 on without another package."""
    if sys.version_info < (3, 11):
        pytest.importorskip("tomli", reason="needs: pip install tomli")


def faults(config: Any) -> list[str]:
    """What is wrong with it: one line, or a head and a line for each fault."""
    with pytest.raises(ConfigurationError) as caught:
        load_config(config)
    shown = "".join(traceback.format_exception(caught.value)) + repr(caught.value)
    assert CANARY not in shown
    assert HEX not in shown
    return [line.strip() for line in str(caught.value).splitlines()]


@pytest.fixture
def agent(tmp_path: Path) -> Path:
    """A file that says a bit of everything, and one of stages beside it."""
    in_toml()
    (tmp_path / "agent.toml").write_text(AGENT, encoding="utf-8")
    (tmp_path / "stages.json").write_text(json.dumps(STAGES), encoding="utf-8")
    return tmp_path / "agent.toml"


def test_what_a_file_says(agent: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The arguments of a session; `talk` apart; a key only once a session is made."""
    monkeypatch.delenv("BAKERY_KEY", raising=False)
    config = load_config(agent)
    assert repr(config).startswith(f"<Config {agent}: model, instructions, output_modalities")
    assert config["tools"] == [price_of]
    assert config["turn_detection"] is None
    assert config["ping_interval"] is None
    assert config["reconnect"] == ReconnectPolicy(delays=(0.1, 1), renew_before=None)
    assert config["transcription"] == {"model": "gpt-4o-mini-transcribe", "language": "en"}
    assert isinstance(config["router"], StageRouter)
    assert config["router"] is not config["router"]  # each session has its own
    assert config.talk == {"microphone": "USB", "speaker": 3, "echo": "none"}
    assert "talk" not in config
    assert len(config) == len(config.keys()) == 11
    with pytest.raises(KeyError):
        config["voice"]
    with pytest.raises(
        ConfigurationError, match=r"agent.toml: endpoint.api_key_env: BAKERY_KEY is not set"
    ):
        config.session()
    monkeypatch.setenv("BAKERY_KEY", CANARY)
    endpoint = config["endpoint"]
    assert repr(endpoint) == "<Compatible ws://127.0.0.1:1/v1/realtime>"
    assert endpoint.key() == CANARY
    assert endpoint.headers == {"X-Tenant": "7"}
    assert CANARY not in repr(config) + repr(vars(RealtimeSession(**config)))


def test_a_conversation_from_a_file(agent: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its session has the file's tools, stages and words; what is given beside it beats it."""
    monkeypatch.setenv("BAKERY_KEY", "any")
    with LocalServer(speed=None) as server:
        server.reply(server.call("price_of", bread="loaf"), "4.20.")
        config = load_config(agent)
        with config.session(endpoint=server.endpoint, instructions="Rhyme.") as session:
            assert session.ask("How much is a loaf?").text == "4.20."
            assert session.router is not None
        told = server.received[0]["session"]
        assert told["instructions"].startswith("Rhyme.")
        assert told["audio"]["input"]["turn_detection"] is None
        with RealtimeSession(**{**config, "endpoint": server.endpoint}) as session:
            assert session.tools.names == ("price_of", "classify_response")


def test_a_place_that_is_given_beats_the_files(monkeypatch: pytest.MonkeyPatch) -> None:
    """By endpoint, URL or key, whichever way the file says it."""
    monkeypatch.setenv("A_KEY", "any")
    with LocalServer(speed=None) as server:
        table = {"type": "compatible", "base_url": "ws://127.0.0.1:1"}
        elsewhere = load_config({"output_modalities": ["text"], "endpoint": table})
        with elsewhere.session(base_url=server.url, api_key="any") as session:
            assert session.ask("count to 2").text == "1, 2."
        there = load_config({"base_url": server.url, "api_key_env": "A_KEY"})
        with there.session(output_modalities=["text"]) as session:
            assert session.ask("count to 2").text == "1, 2."
        with there.session(endpoint=server.endpoint) as session:
            assert session.state == "open"


def test_every_kind_of_place(monkeypatch: pytest.MonkeyPatch) -> None:
    """Azure and OpenAI; a list of them is tried in order; headers may come from the environment."""
    monkeypatch.setenv("A_KEY", CANARY)
    azure = {
        "type": "azure",
        "endpoint": "https://name.openai.azure.com",
        "deployment": "voice",
        "api_key_env": "A_KEY",
    }
    openai = {
        "type": "openai",
        "organization": "org",
        "headers_env": {"X-Auth": "A_KEY"},
        "query": {"region": "eu"},
    }
    first, second = load_config({"endpoint": [azure, openai]})["endpoint"]
    assert (first.deployment, first.key()) == ("voice", CANARY)
    assert second.headers == {"OpenAI-Organization": "org", "X-Auth": CANARY}
    assert second.query == {"region": "eu"}


def test_tools_of_every_kind(monkeypatch: pytest.MonkeyPatch) -> None:
    """Dotted paths, functions where a dict is given, wire tables, MCP servers with their key."""
    monkeypatch.setenv("DOCS_KEY", CANARY)
    mcp = {
        "type": "mcp",
        "server_label": "docs",
        "server_url": "https://docs.example.com/mcp",
        "authorization_env": "DOCS_KEY",
        "headers_env": {"X-Key": "DOCS_KEY"},
    }
    config = load_config({"tools": [TOOL, {"type": "function", "name": "clock"}, mcp]})
    assert config["tools"][2]["authorization"] == CANARY
    assert config["tools"][2]["headers"] == {"X-Key": CANARY}
    assert RealtimeSession(api_key="any", **config).tools.names == ("price_of", "clock", "docs")
    assert load_config({"tools": [price_of]})["tools"] == [price_of]


def test_a_history_in_a_file(tmp_path: Path) -> None:
    """What `export` gave, by its path from the file's folder; or inline."""
    (tmp_path / "talk.json").write_text(json.dumps(["Hello!"]), encoding="utf-8")
    (tmp_path / "agent.json").write_text('{"history": "talk.json"}', encoding="utf-8")
    assert load_config(tmp_path / "agent.json")["history"] == ["Hello!"]
    assert load_config({"history": ["Hello!"], "pack": True})["history"] == ["Hello!"]


def test_it_is_a_value(agent: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Equal by content, without a hash, frozen, pickled without a key; later changes do no harm."""
    monkeypatch.setenv("BAKERY_KEY", CANARY)
    config = load_config(agent)
    assert config == load_config(agent)
    assert CANARY.encode() not in pickle.dumps(config)
    assert pickle.loads(pickle.dumps(config)) == config
    with pytest.raises(TypeError):
        hash(config)
    with pytest.raises(AttributeError):
        config.source = "x"  # type: ignore[misc]
    given = {"transcription": {"language": "en"}}
    taken = load_config(given)
    given["transcription"]["language"] = "de"
    assert taken["transcription"] == {"language": "en"}
    assert taken != config
    assert isinstance(taken, Config)


def test_an_argument_is_made_anew() -> None:
    """What is done to the one that is handed out does not reach the next."""
    config = load_config({"turn_detection": {"type": "server_vad"}, "talk": {"local_vad": {}}})
    config["turn_detection"]["type"] = "semantic_vad"
    config.talk["local_vad"]["threshold"] = 1
    assert config["turn_detection"] == {"type": "server_vad"}
    assert config.talk == {"local_vad": {}}


def test_the_rest_of_the_arguments() -> None:
    """Each key that is a plain value reaches the session."""
    config = load_config(
        {
            "approver": f"{may_pay.__module__}:may_pay",
            "approval_timeout": False,
            "dispatcher": "manual",
            "max_tokens": 1000,
            "reconnect": False,
            "config": {"audio": {"input": {"noise_reduction": {"type": "near_field"}}}},
            "speed": 1.2,
            "save_audio": True,
            "max_message_size": 1 << 20,
        }
    )
    assert config["approver"] is may_pay
    assert config["reconnect"] is None
    session = config.session(api_key="any")
    assert session.pump() == 0
    assert session.state == "new"


def test_every_argument_that_a_file_can_say() -> None:
    """What the session takes and a file does not say is listed here, with nothing forgotten."""
    import inspect

    from realtime_sync.configuration.arguments import KEYS, NAMES

    known = {NAMES.get(key, key) for key in KEYS} - {"talk"}
    taken = set(inspect.signature(RealtimeSession).parameters)
    assert known <= taken
    assert taken - known == {"ssl_context"}
    assert set(FLAT_FIELDS) <= known


# --- faults

TABLE: list[tuple[dict[str, Any], str]] = [
    ({"voise": "x"}, "config: voise: unknown key; do you mean 'voice'?"),
    ({"zzz": 1}, "config: zzz: unknown key; there are: model, instructions"),
    ({"model": 3}, "config: model: a text is needed, not 3"),
    ({"model": " "}, "config: model: a text is needed, not str"),
    ({"instructions": 3}, "config: instructions: must be a string"),
    ({"instructions": None}, "config: instructions: None would be null"),
    ({"speed": "fast"}, "config: speed: must be a number"),
    ({"speed": 9}, "config: speed: 9 is not from 0.25 to 1.5"),
    ({"output_modalities": "text"}, "config: output_modalities: must be a list"),
    ({"turn_detection": {"treshold": 1}}, "turn_detection.treshold: unknown key; do you mean"),
    ({"turn_detection": {"threshold": "x"}}, "config: turn_detection.threshold: must be a number"),
    ({"turn_detection": {"threshold": 2}}, "config: turn_detection.threshold: 2 is not from 0"),
    ({"turn_detection": True}, "config: turn_detection: "),
    ({"voice": {"idd": 1}}, "config: voice.idd: unknown key; do you mean 'id'?"),
    ({"config": 3}, "config: config: a table is needed, not int"),
    (
        {"config": {"audio": {"inputt": {}}}},
        "config.audio.inputt: unknown key; do you mean 'input'",
    ),
    ({"config": {"audio": 3}}, "config: config.audio: must be an object"),
    ({"pack": 1}, "config: pack: true or false is needed, not 1"),
    ({"dispatcher": "tk"}, 'config: dispatcher: "thread" or "manual" is needed, not str'),
    ({"ping_interval": 0}, "config: ping_interval: a number of seconds above 0 is needed, not 0"),
    ({"max_tokens": 1.5}, "config: max_tokens: a whole number from 1 on is needed, not 1.5"),
    ({"max_tokens": True}, "config: max_tokens: a whole number from 1 on is needed, not True"),
    ({"tool_threads": 0}, "config: tool_threads: a whole number from 1 on is needed"),
    ({"ping_interval": 10**400}, "config: ping_interval: a number of seconds above 0 is needed"),
    ({"reconnect": {"delays": [10**400]}}, "config: reconnect.delays: a number from 0 on"),
    ({"": 1}, 'config: "": unknown key; there are: model'),
    ({"reconnect": True}, "config: reconnect: a table is needed, not bool"),
    ({"reconnect": {"delay": [1]}}, "config: reconnect.delay: unknown key; do you mean 'delays'?"),
    ({"reconnect": {"delays": 3}}, "config: reconnect.delays: a list is needed, not int"),
    ({"reconnect": {"delays": ["x"]}}, "config: reconnect.delays: a number, not str"),
    ({"reconnect": {"jitter": 3}}, "config: reconnect.jitter: a share from 0 to 1, not 3"),
    ({"tools": "math:floor"}, "config: tools: a list is needed, not str"),
    ({"tools": ["math"]}, "config: tools[0]: 'math' is no dotted path: \"package.module:name\""),
    ({"tools": ["no.such:x"]}, "config: tools[0]: 'no.such:x' cannot be imported: there is no mod"),
    ({"tools": ["math:flor"]}, "config: tools[0]: 'math:flor': there is no 'flor' in math; do you"),
    ({"tools": [TOOL, TOOL]}, "config: tools: tools with the same name: price_of"),
    ({"tools": [TOOL, 3]}, "config: tools[1]: a tool is a function"),
    ({"tools": ["pathlib:Path"]}, "config: tools[0]: a tool is a function"),
    ({"tools": [{"type": "function"}]}, "config: tools[0]: a tool of type 'function' needs"),
    (
        {"tools": [{**MCP, "headers": HEX}]},
        "config: tools[0]: tool 'shop': headers: must be an obj",
    ),
    (
        {"tools": [{**MCP, "allowed_tools": 3}]},
        "config: tools[0]: tool 'shop': allowed_tools: must",
    ),
    ({"tools": [TOOL.replace("price_of", "sour")]}, "bakery raises RuntimeError: no dough"),
    ({"approver": TOOL.replace("price_of", "NUMBER")}, "config: approver: a function is needed"),
    ({"approver": "x"}, "config: approver: 'x' is no dotted path"),
    ({"router": 3}, "config: router: a table of stages, or the path of a file, is needed, not int"),
    ({"router": {"stages": {}}}, "config: router.stages: at least one is needed"),
    (
        {"router": {"stagse": {}, **STAGES}, "tools": [TOOL]},
        "router.stagse: unknown key; do you mean 'stages'?",
    ),
    ({"router": "nowhere.toml"}, "config: router: nowhere.toml: No such file or directory"),
    ({"router": STAGES}, "config: router.stages.order.tools: no tool 'price_of'; there are: none"),
    ({"history": 3}, "config: history: a list of items"),
    ({"history": [3]}, "config: history[0]: an Item, a dict or a str, not int"),
    ({"history": "nowhere.json"}, "config: history: nowhere.json: No such file or directory"),
    ({"proxy": "x"}, 'config: proxy: a URL like "http://host:port"'),
    ({"call_id": "x"}, "config: call_id: the id of a call is needed"),
    ({"talk": 3}, "config: talk: a table is needed, not int"),
    ({"talk": {"speaker": 1.5}}, "config: talk.speaker: a device's number, or a part of its name"),
    ({"talk": {"mikrophone": 1}}, "talk.mikrophone: unknown key; do you mean 'microphone'?"),
    ({"talk": {"echo": "on"}}, 'config: talk.echo: "half_duplex" or "none" or "aec" is needed'),
    # where to
    ({"endpoint": "https://x"}, 'config: endpoint: a table is needed, with "type", not str'),
    ({"endpoint": []}, "config: endpoint: at least one is needed"),
    ({"endpoint": {}}, "config: endpoint.type: one of 'openai', 'azure', 'compatible' is needed"),
    ({"endpoint": {"type": "azur"}}, "endpoint.type: one of 'openai', 'azure', 'compatible' is"),
    ({"endpoint": [{"type": 3}]}, "config: endpoint[0].type: one of"),
    ({"endpoint": {"type": "compatible"}}, "config: endpoint.base_url: the server's URL is needed"),
    (
        {"endpoint": {"type": "compatible", "base_url": "ftp://x"}},
        "config: endpoint.base_url: it must begin with",
    ),
    (
        {"endpoint": {"type": "compatible", "base_url": "ws://127.0.0.1", "dialect": "new"}},
        'config: endpoint.dialect: "ga" or "beta"',
    ),
    (
        {"endpoint": {"type": "openai", "organisation": "x"}},
        "config: endpoint.organisation: unknown key; do you mean 'organization'?",
    ),
    ({"endpoint": {"type": "openai", "project": 3}}, "endpoint.project: a text is needed, not int"),
    (
        {"endpoint": {"type": "openai", "base_url": "wss://other.example"}},
        "config: endpoint.base_url: say which key goes there: api_key_env",
    ),
    (
        {"endpoint": {"type": "openai", "headers": 3}},
        "endpoint.headers: a table is needed, not int",
    ),
    (
        {"endpoint": {"type": "openai", "headers": {"X": 3}}},
        "config: endpoint.headers.X: a text is needed, not int",
    ),
    (
        {"base_url": "wss://other.example"},
        "config: base_url: say which key goes there: api_key_env",
    ),
    (
        {"base_url": "wss://h", "api_key_env": "K", "endpoint": {"type": "openai"}},
        "config: endpoint: it has the key and the URL",
    ),
    (
        {
            "model": "x",
            "endpoint": {
                "type": "azure",
                "endpoint": "https://n.openai.azure.com",
                "deployment": "d",
                "token_provider": "math:floor",
            },
        },
        "config: model: with Azure the deployment is the model",
    ),
    (
        {"endpoint": {"type": "azure", "token_provider": "math:flor"}},
        "config: endpoint.token_provider: 'math:flor': there is no 'flor' in math",
    ),
    (
        {"endpoint": {"type": "azure", "endpoint": "https://n.openai.azure.com"}},
        "config: endpoint.endpoint: say which key goes there: api_key_env, or token_provider",
    ),
    (
        {"endpoint": {"type": "azure", "token_provider": "math:pi"}},
        "config: endpoint.token_provider: a function that gives a token is needed, not float",
    ),
    (
        {"endpoint": {"type": "azure", "token_provider": HEX}},
        "config: endpoint.token_provider: a dotted path is needed",
    ),
    (
        {"endpoint": {"type": "openai", "token_provider": TOOL}},
        "config: endpoint.token_provider: unknown key",
    ),
    (
        {"endpoint": {"type": "compatible", "base_url": 3}},
        "config: endpoint.base_url: a text is needed, not int",
    ),
    ({"api_key_env": ""}, "config: api_key_env: the name of an environment variable is needed"),
    ({"api_key_env": 3}, "config: api_key_env: the name of an environment variable is needed"),
]


@pytest.mark.parametrize(("table", "words"), TABLE, ids=[words[:50] for _, words in TABLE])
def test_a_fault(table: dict[str, Any], words: str) -> None:
    """It names the key, and what would do."""
    (line,) = faults(table)
    assert words in line


def test_two_proxies() -> None:
    """One is enough; without python-socks that is told, too."""
    told = "\n".join(faults({"proxy_env": "A", "proxy": "http://h:1"}))
    assert "proxy_env: proxy is there, too; leave one out" in told


@pytest.mark.parametrize(
    ("table", "where", "cure"),
    [
        ({"api_key": CANARY}, "api_key", 'api_key_env = "OPENAI_API_KEY"'),
        ({"api_key": ["x"]}, "api_key", 'api_key_env = "OPENAI_API_KEY"'),
        ({"api_key_env": CANARY}, "api_key_env", "take it out, and revoke it"),
        ({"model": CANARY}, "model", "take it out"),
        ({"instructions": f"Use {CANARY}."}, "instructions", "take it out"),
        ({"tools": [CANARY]}, "tools[0]", "take it out"),
        ({"instructions": "Send Bearer a1b2c3d4e5."}, "instructions", "take it out"),
        ({"config": {"prompt": {"id": "ek_1234567890abc"}}}, "config.prompt.id", "take it out"),
        ({"endpoint": {"type": "openai", "api_key": "x"}}, "endpoint.api_key", "api_key_env"),
        (
            {"endpoint": {"type": "openai", "headers": {"Authorization": "Basic x"}}},
            "endpoint.headers.Authorization",
            'beside headers: headers_env = {"Authorization" = "NAME"}',
        ),
        (
            {"endpoint": {"type": "openai", "query": {"api-key": "x"}}},
            "endpoint.query.api-key",
            "query_env",
        ),
        (
            {"tools": [{"type": "mcp", "server_label": "d", "authorization": "x"}]},
            "tools[0].authorization",
            'authorization_env = "NAME"',
        ),
        ({CANARY: 1}, "…", "take it out"),
        ({"reconnect": {CANARY: 1}}, "reconnect.…", "take it out"),
        ({"turn_detection": {CANARY: 1}}, "turn_detection.…", "take it out"),
        (
            {"endpoint": {"type": "openai", "query": {"sig": HEX}}},
            "endpoint.query.sig",
            "query_env",
        ),
        (
            {"base_url": f"https://h/v1?api-key={HEX}", "api_key_env": "K"},
            "base_url",
            "query_env",
        ),
        (
            {"tools": [{**MCP, "server_url": f"https://h/?token={HEX}"}]},
            "tools[0].server_url",
            "headers_env",
        ),
        ({"proxy": f"http://me:{CANARY}@h:1"}, "proxy", 'proxy_env = "NAME"'),
        ({"proxy": "http://me:pass@h:1"}, "proxy", 'proxy_env = "NAME"'),
    ],
)
def test_a_key_in_a_file(table: dict[str, Any], where: str, cure: str) -> None:
    """It is refused and not shown; the fault says how to give it instead."""
    told = [line for line in faults(table) if where in line]
    assert told
    assert cure in "".join(told)
    assert "pass@h" not in "".join(told)


def test_a_key_in_a_file_of_stages(tmp_path: Path) -> None:
    """It does not belong there either."""
    wrong = {"background": CANARY, "stages": {"a": {"tools": [{**MCP, "authorization": HEX}]}}}
    (tmp_path / "stages.json").write_text(json.dumps(wrong), encoding="utf-8")
    (tmp_path / "agent.json").write_text('{"router": "stages.json"}', encoding="utf-8")
    _, *lines = faults(tmp_path / "agent.json")
    assert lines[0].startswith(f"router: {tmp_path / 'stages.json'}: background: this is a key")
    assert f"router: {tmp_path / 'stages.json'}: stages.a.tools[0].authorization: a key" in lines[1]
    assert "and its server_label here" in lines[1]
    assert len(lines) == 2


def test_a_stages_tool_names_no_variable() -> None:
    """It would be sent as it stands; where it is read is told."""
    stage = {"accessible_from": "_start_", "goal": "g", "tools": [{**MCP, "headers_env": {}}]}
    (line,) = faults({"router": {"stages": {"a": stage}}})
    where = "config: router.stages.a.tools[0].headers_env: "
    assert line.startswith(where + "a stage's own tools have no headers_env; put the tool into")


@pytest.mark.parametrize(
    "text",
    [
        "Explain sk-learn-pipelines.",
        "Ask for the Bearer certificate.",
        "Be a task-master-of-ceremonies-2024.",
        "Speak sk-SK.",
    ],
)
def test_prose_is_no_key(text: str) -> None:
    """What only begins like one is let through."""
    assert load_config({"instructions": text})["instructions"] == text


def test_a_key_that_is_taken_for_a_name(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the name of a variable should stand, a key may: it is not shown."""
    config = load_config({"api_key_env": "canary4711"})
    with pytest.raises(ConfigurationError) as caught:
        config.session()
    assert "canary4711" not in str(caught.value)
    assert "the variable that it names is not set" in str(caught.value)


@pytest.mark.parametrize(
    ("name", "text", "words"),
    [
        ("agent.toml", "model = \n", "line 1"),
        ("agent.toml", 'a = 1\nmodel = "x\n', "line 2"),
        ("agent.toml", 'model = "a"\nmodel = "b"\n', "line 2"),
        ("agent.json", '{"model": }', "line 1"),
        ("agent.json", '{"model": "a", "model": "b"}', "'model' is there twice in one object"),
        ("agent.json", "[]", "a table is needed, not list"),
        ("agent.ini", "", "a .toml or .json file is needed"),
        ("nowhere.json", None, "No such file or directory"),
        ("agent.json", b'{"model": "\xff"}', "it is not UTF-8, at byte 11"),
    ],
)
def test_a_file_that_is_none(
    name: str, text: str | bytes | None, words: str, tmp_path: Path
) -> None:
    """The error names the file, and the line where the parser does."""
    if name.endswith(".toml"):
        in_toml()
    if text is not None:
        (tmp_path / name).write_bytes(text if isinstance(text, bytes) else text.encode())
    (line,) = faults(tmp_path / name)
    assert line.startswith(f"{tmp_path / name}: ")
    assert words in line


@pytest.mark.parametrize("given", [None, 3, ["agent.toml"]])
def test_what_is_no_file(given: Any) -> None:
    """Neither a path nor a dict."""
    assert faults(given)[0].startswith("config: a dict, or the path of a .toml or .json file, not")


def test_all_faults_at_once(tmp_path: Path) -> None:
    """Each in a line of its own, with the file first; those of another file with its name."""
    (tmp_path / "stages.json").write_text('{"stages": {"a": {}}}', encoding="utf-8")
    wrong = {"voise": "x", "model": 3, "router": "stages.json", "api_key": CANARY}
    path = tmp_path / "agent.json"
    path.write_text(json.dumps(wrong), encoding="utf-8")
    head, *lines = faults(path)
    assert head == f"{path}: 5 faults"
    assert lines[0].startswith("api_key: a key does not belong in a file")
    assert lines[1] == "voise: unknown key; do you mean 'voice'?"
    assert lines[2] == "model: a text is needed, not 3"
    assert lines[3] == f"router: {tmp_path / 'stages.json'}: stages.a.goal: a text is needed"
    assert "stages: one must be accessible_from" in lines[4]


@pytest.mark.parametrize("name", ["agent.toml", "agent.json"])
@pytest.mark.parametrize("depth", [150, 100_000])
def test_a_file_that_is_nested_too_deep(name: str, depth: int, tmp_path: Path) -> None:
    """It is told as any other fault, whether its parser or our reader would give up."""
    if name.endswith(".toml"):
        in_toml()
    opened, closed = ("history = ", "") if name.endswith(".toml") else ('{"history": ', "}")
    (tmp_path / name).write_text(opened + "[" * depth + "]" * depth + closed, encoding="utf-8")
    (line,) = faults(tmp_path / name)
    assert line.startswith(f"{tmp_path / name}: it is nested ")


def test_a_dict_in_itself() -> None:
    """It has no end; that is told, too."""
    table: dict[str, Any] = {"model": "x"}
    table["config"] = table
    assert faults(table) == ["config: it is nested more than 100 deep; flatten it"]


def test_a_module_that_fails(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> None:
    """The fault names the file, the tool, and where its module raises."""
    (tmp_path / "sour.py").write_text("\n1 / 0\n", encoding="utf-8")
    monkeypatch.syspath_prepend(str(tmp_path))
    (line,) = faults({"tools": ["sour:dough"]})
    assert line.startswith("config: tools[0]: 'sour:dough' cannot be imported: sour raises ZeroDiv")
    assert f"({tmp_path / 'sour.py'}, line 2)" in line


def test_names_that_are_nobodys_are_sent() -> None:
    """A field that we do not know may be a newer server's; `Config` lets it pass."""
    config = load_config({"turn_detection": {"type": "server_vad", "quietness": 3}})
    assert config["turn_detection"]["quietness"] == 3
