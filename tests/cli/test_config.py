"""`--config FILE`: each command with a file, against the embedded server."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from realtime_sync.audio import write_wav
from realtime_sync.local import LocalServer

from .conftest import Run

SHOP = '''
def price(fruit: str) -> float:
    """What a fruit costs, in euros."""
    return {"pears": 3.5}[fruit]
'''
SOUND = b"\x10\x20\xf0\xdf" * 6000  # half a second at 24 kHz
STAGES: dict[str, Any] = {
    "stages": {
        "order": {
            "accessible_from": "_start_",
            "goal": "Sell fruit.",
            "tools": ["price"],
            "outcomes": {"sold": {"description": "They pay.", "move_to": "_end_"}},
        }
    }
}


class Agent:
    """A folder with a file of configuration, JSON so that every Python reads it, and its tools."""

    def __init__(self, folder: Path, server: LocalServer) -> None:
        self.folder = folder
        self.server = server
        self.path = folder / "agent.json"
        (folder / "fruitshop.py").write_text(SHOP, encoding="utf-8")
        (folder / "stages.json").write_text(json.dumps(STAGES), encoding="utf-8")
        write_wav(folder / "said.wav", SOUND, 24000)

    def says(self, **table: Any) -> str:
        """Write it; the file's name."""
        place = {"type": "compatible", "base_url": self.server.url, "api_key_env": "SHOP_KEY"}
        self.path.write_text(json.dumps({"endpoint": place, **table}), encoding="utf-8")
        return str(self.path)

    def told(self) -> dict[str, Any]:
        """What the server was told first."""
        found: dict[str, Any] = self.server.received[0]["session"]
        return found


@pytest.fixture
def agent(tmp_path: Path, server: LocalServer, monkeypatch: pytest.MonkeyPatch) -> Agent:
    """The same, in the current folder's stead; its variable has a key."""
    monkeypatch.setenv("SHOP_KEY", "any")
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    return Agent(tmp_path, server)


def test_ask(run: Run, agent: Agent) -> None:
    """Tools stand beside the file, stages are found from there, options beat what it says."""
    agent.server.reply(agent.server.call("price", fruit="pears"), "3.50.")
    file = agent.says(
        model="gpt-x",
        instructions="Be brief.",
        tools=["fruitshop:price"],
        router="stages.json",
        output_modalities=["audio"],
    )
    done = run("ask", "How much are pears?", "--config", file, "--instructions", "Rhyme.")
    assert (done.returncode, done.stdout) == (0, "3.50.\n"), done.stderr
    told = agent.told()
    assert told["instructions"].startswith("Rhyme.")
    assert "Sell fruit." in told["instructions"]
    assert told["output_modalities"] == ["text"]
    assert [tool["name"] for tool in told["tools"]] == ["price", "classify_response"]


def test_chat_by_the_environment(run: Run, agent: Agent) -> None:
    """REALTIME_SYNC_CONFIG names a file where --config does not."""
    file = agent.says(instructions="Be brief.")
    done = run("chat", stdin="count to 2\n", REALTIME_SYNC_CONFIG=file)
    assert (done.returncode, done.stdout, done.stderr) == (0, "1, 2.\n", "")
    assert agent.told()["instructions"] == "Be brief."


def test_talk(run: Run, agent: Agent) -> None:
    """A talk has the file's voice and echo; files stand in for its devices."""
    file = agent.says(voice="cedar", talk={"echo": "none", "microphone": 99, "speaker": 99})
    paths = (str(agent.folder / "said.wav"), str(agent.folder / "heard.wav"))
    done = run("talk", "--config", file, "--input", paths[0], "--output", paths[1])
    assert done.returncode == 0, done.stderr
    assert Path(paths[1]).stat().st_size > 1000
    assert agent.told()["audio"]["output"]["voice"] == "cedar"


def test_say(run: Run, agent: Agent) -> None:
    """The option's voice beats the file's."""
    file = agent.says(voice="cedar", speed=1.2)
    saved = str(agent.folder / "heard.wav")
    done = run("say", "Hello.", "--config", file, "--voice", "marin", "--save", saved)
    assert (done.returncode, done.stderr) == (0, "")
    assert agent.told()["audio"]["output"]["voice"] == "marin"
    assert agent.told()["audio"]["output"]["speed"] == 1.2


def test_transcribe_and_translate(run: Run, agent: Agent) -> None:
    """Of sessions without answers the file says where they connect to."""
    file = agent.says(voice="cedar", ping_interval=5)
    sound = str(agent.folder / "said.wav")
    done = run("transcribe", sound, "--config", file)
    assert (done.returncode, done.stdout) == (0, "[speech, 0.5 s]\n"), done.stderr
    done = run("translate", sound, "--to", "es", "--config", file)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("[speech,")


def test_batch(run: Run, agent: Agent) -> None:
    """Conversations are held by the file's session, in processes too; --tool beats its tools."""
    (agent.folder / "talks.jsonl").write_text(
        '{"id": 1, "turns": [{"say": "How much are pears?", "tools": ["price"]}]}\n'
    )
    agent.server.reply(agent.server.call("price", fruit="pears"), "3.50.")
    file = agent.says(tools=["fruitshop:price"], output_modalities=["text"])
    jobs = str(agent.folder / "talks.jsonl")
    done = run("batch", jobs, "--config", file, "--processes", "1")
    assert done.returncode == 0, done.stdout + done.stderr
    (line,) = Path("batch.jsonl").read_text(encoding="utf-8").splitlines()[-1:]
    assert json.loads(line)["value"]["passed"] is True


def test_doctor(run: Run, agent: Agent) -> None:
    """The file, its place and what the server says to its session are among the findings."""
    done = run("doctor", "--no-devices", "--json", "--config", agent.says(model="gpt-x"))
    found = {one["name"]: one for one in map(json.loads, done.stdout.splitlines())}
    assert done.returncode == 0, done.stdout
    assert found["config"]["said"] == f"{agent.path}: endpoint, model"
    assert found["key"]["said"] == f"as {agent.path} says"
    assert found["handshake"]["state"] == "ok"
    assert found["handshake"]["said"].startswith("gpt-x")


def test_a_url_beats_the_files_endpoint(run: Run, agent: Agent) -> None:
    """And a key alone is not sent to another's endpoint."""
    place = {"type": "compatible", "base_url": "ws://127.0.0.1:1"}
    file = agent.says(endpoint=place)
    done = run("ask", "count to 2", "--config", file, "--url", agent.server.url, "--api-key", "any")
    assert (done.returncode, done.stdout) == (0, "1, 2.\n"), done.stderr
    done = run("ask", "count to 2", "--config", file, "--api-key", "any")
    assert done.returncode == 2
    assert "give --url with yours" in done.stderr


def test_a_key_of_an_option_beats_the_files(run: Run, tmp_path: Path) -> None:
    """Where the file names a URL and a variable, --api-key-env names another."""
    with LocalServer(speed=None, api_key="right") as strict:
        file = tmp_path / "agent.json"
        file.write_text(json.dumps({"base_url": strict.url, "api_key_env": "WRONG"}))
        both = {"WRONG": "wrong", "RIGHT": "right"}
        done = run("ask", "count to 2", "--config", str(file), "--api-key-env", "RIGHT", **both)
        assert (done.returncode, done.stdout) == (0, "1, 2.\n"), done.stderr
        done = run("ask", "count to 2", "--config", str(file), **both)
        assert done.returncode == 1


def test_without_a_place_the_embedded_server_answers(run: Run, tmp_path: Path) -> None:
    """A file that says nothing of where to changes nothing of that."""
    (tmp_path / "agent.json").write_text('{"instructions": "Be brief."}')
    done = run("ask", "count to 2", "--config", str(tmp_path / "agent.json"))
    assert (done.returncode, done.stdout) == (0, "1, 2.\n")
    assert "embedded server" in done.stderr


def test_faults(run: Run, agent: Agent) -> None:
    """Every one in a line of its own, with the file first; exit code 1, no traceback."""
    done = run("ask", "hi", "--config", agent.says(voise="x", tools=["fruitshop:prise"]))
    assert (done.returncode, done.stdout) == (1, "")
    head, *lines = done.stderr.splitlines()
    assert head == f"Error: {agent.path}: 2 faults"
    assert lines == [
        "  voise: unknown key; do you mean 'voice'?",
        "  tools[0]: 'fruitshop:prise': there is no 'prise' in fruitshop; do you mean 'price'?",
    ]


def test_a_variable_that_is_not_set(run: Run, agent: Agent) -> None:
    """The error names file, key and variable."""
    done = run("ask", "hi", "--config", agent.says(), SHOP_KEY="")
    assert done.returncode == 1
    assert (
        done.stderr == f"Error: {agent.path}: endpoint.api_key_env: SHOP_KEY is not set, or empty,"
        " in the environment; set it there\n"
    )


def test_a_file_that_is_not_there(run: Run) -> None:
    """Wrong usage, by whichever way it is named."""
    for done in (
        run("ask", "hi", "--config", "no.toml"),
        run("ask", "hi", REALTIME_SYNC_CONFIG="no.toml"),
    ):
        assert done.returncode == 2
        assert "'no.toml' does not exist" in done.stderr


def test_a_key_where_its_variable_is_named(run: Run) -> None:
    """--api-key-env given a key says what is wrong, and does not show it."""
    done = run("ask", "hi", "--api-key-env", "sk-canary-4711")
    assert done.returncode == 2
    assert "canary" not in done.stderr
    assert "give the name of one that holds the key" in done.stderr
