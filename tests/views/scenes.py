"""The command line at work: what each command shows, while it runs and in the end."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from cli.terminal import Terminal

from realtime_sync import RealtimeSession
from realtime_sync.audio import write_wav
from realtime_sync.local import LocalServer
from realtime_sync.local.speech import tones

__all__ = ["SCENES", "Stage"]

STORY: Final = (
    "There was once a lighthouse keeper who wrote down every ship that passed, its name, its flag "
    "and whether its crew had waved, and in forty years not one of them had failed to."
)
BAKERY: Final = """\
background = "You are the voice of a small bakery. Be brief."

[stages.order]
accessible_from = "_start_"
goal = "Find out what the customer wants, and what it costs."
tools = ["price_of"]

[stages.order.outcomes.ordered]
description = "The order is clear."
move_to = "payment"

[stages.order.outcomes.nothing]
description = "They want nothing."
move_to = "_end_"

[stages.payment]
goal = "Ask for cash or card."

[stages.payment.outcomes.paid]
description = "They have said which."
move_to = "_end_"

[stages.question]
accessible_from = "_all_"
description = "The customer asks something about the bakery."
goal = "Answer it: open from 8 to 6, Main Street 1."

[stages.question.outcomes.answered]
move_to = "_backtrack_"
"""


class Stage:
    """A server at the service's pace, and a folder for what the commands read and write."""

    def __init__(self, server: LocalServer, folder: Path) -> None:
        self.server = server
        self.folder = folder

    @property
    def here(self) -> list[str]:
        """The options that lead to the server."""
        return ["--url", self.server.url, "--api-key", "any"]

    def speech(self, name: str, text: str) -> str:
        """A file with speech in it; its name."""
        (self.folder / name).parent.mkdir(exist_ok=True)
        write_wav(self.folder / name, tones(text))
        return name

    @contextmanager
    def showing(self, *arguments: str) -> Iterator[Terminal]:
        """The command, on a terminal that does not scroll."""
        with Terminal(*arguments, lines=200, where=self.folder) as terminal:
            yield terminal

    def shown(self, *arguments: str) -> str:
        """All that it has shown in the end."""
        with self.showing(*arguments) as terminal:
            terminal.ended()
            return terminal.raw


def help_(stage: Stage) -> str:
    return stage.shown("--help")


def help_of_a_command(stage: Stage) -> str:
    return stage.shown("talk", "--help")


def demo(stage: Stage) -> str:
    return stage.shown("demo")


def hello(stage: Stage) -> str:
    return stage.shown("ask", "Count to 5", *stage.here)


def ask(stage: Stage) -> str:
    stage.server.reply(STORY)
    stage.server.script.hold(after=20)
    with stage.showing("ask", "Tell me a story.", *stage.here) as terminal:
        terminal.expect("its flag")
        return terminal.raw


def chat(stage: Stage) -> str:
    stage.server.reply(STORY, "Ships answer lights.", RuntimeError("hiccups"))
    with stage.showing("chat", *stage.here) as terminal:
        for said, answered in {
            "Tell me a story.": "failed to.",
            "Why did they wave?": "lights.",
            "And then?": "hiccups",
        }.items():
            terminal.expect("you")
            terminal.type(f"{said}\r")
            terminal.expect(answered)
        terminal.expect("you")
        return terminal.raw


def talk(stage: Stage) -> str:
    stage.speech("question.wav", "Tell me a story, please, of the sea")
    stage.server.script.transcripts(["Tell me a story of the sea."])
    stage.server.reply(STORY)
    files = ["--input", "question.wav", "--output", "answer.wav"]
    with stage.showing("talk", *files, *stage.here) as terminal:
        terminal.expect("its flag")
        return terminal.raw


def talk_ended(stage: Stage) -> str:
    stage.speech("question.wav", "Tell me a story, please, of the sea")
    stage.server.script.transcripts(["Tell me a story of the sea."])
    stage.server.reply("The sea was there before all stories.")
    files = ["--input", "question.wav", "--output", "answer.wav"]
    return stage.shown("talk", *files, *stage.here)


def _calls(stage: Stage, *, often: int = 1) -> None:
    """Four files; `often`: how often the third says what it says."""
    said = ["My parcel is late", "Where is my bill", "I move to Oslo", "Thank you for all"]
    for number, text in enumerate(said, 1):
        stage.speech(f"calls/{number}.wav", text * 3)
    texts = [f"{text}." for text in said]
    texts[2] = " ".join([texts[2]] * often)
    stage.server.script.transcripts(texts)


def transcribe(stage: Stage) -> str:
    _calls(stage, often=100)  # while it goes on, the bar is drawn again on however slow a machine
    with stage.showing("transcribe", "calls", *stage.here) as terminal:
        terminal.expect("2 of 4")
        return terminal.raw


def transcribe_ended(stage: Stage) -> str:
    _calls(stage)
    (stage.folder / "calls" / "5.wav").write_bytes(b"no sound")
    return stage.shown("transcribe", "calls", *stage.here)


def translate(stage: Stage) -> str:
    stage.speech("talk.wav", "Good morning to all of you")
    return stage.shown("translate", "talk.wav", "--to", "es", *stage.here)


def _recorded(stage: Stage) -> None:
    def price_of(bread: str) -> float:
        """What a piece costs, in euros."""
        return {"loaf": 4.2}[bread]

    stage.server.reply(stage.server.call("price_of", bread="loaf"), "A loaf is 4.20.", STORY)
    with (
        RealtimeSession(
            endpoint=stage.server.endpoint, output_modalities=["text"], tools=[price_of]
        ) as session,
        session.record(stage.folder / "bug.jsonl"),
    ):
        session.ask("What is a loaf?")
        session.ask("Tell me a story.")


def replay(stage: Stage) -> str:
    _recorded(stage)
    with stage.showing("replay", "bug.jsonl") as terminal:
        terminal.expect("Tell me")
        return terminal.raw


def replay_cut(stage: Stage) -> str:
    _recorded(stage)
    file = stage.folder / "bug.jsonl"
    file.write_bytes(file.read_bytes()[:-40])
    return stage.shown("replay", "bug.jsonl", "--speed", "max")


def _talks(stage: Stage) -> list[str]:
    turns = [{"say": "Count to 3", "text": "1, 2, 3" if n % 4 else "four"} for n in range(1, 13)]
    lines = (json.dumps({"id": n, "turns": [turn]}) for n, turn in enumerate(turns, 1))
    (stage.folder / "tests.jsonl").write_text("\n".join(lines), encoding="utf-8")
    return ["batch", "tests.jsonl", "--concurrency", "2", "--report", "report.html", *stage.here]


def batch(stage: Stage) -> str:
    with stage.showing(*_talks(stage)) as terminal:
        terminal.expect("6 of 12")
        return terminal.raw


def batch_ended(stage: Stage) -> str:
    return stage.shown(*_talks(stage))


def doctor(stage: Stage) -> str:
    return stage.shown("doctor", "--no-devices", *stage.here)


def doctor_finds(stage: Stage) -> str:
    return stage.shown("doctor", "--url", "http://127.0.0.1:1/v1", "--api-key", "any")


def devices(stage: Stage) -> str:
    return stage.shown("devices")


def router(stage: Stage) -> str:
    (stage.folder / "bakery.toml").write_text(BAKERY, encoding="utf-8")
    return stage.shown("router", "bakery.toml")


def router_mermaid(stage: Stage) -> str:
    (stage.folder / "bakery.toml").write_text(BAKERY, encoding="utf-8")
    return stage.shown("router", "bakery.toml", "--mermaid")


def router_faults(stage: Stage) -> str:
    spoilt = BAKERY.replace('"payment"', '"till"').replace("goal", "gaol", 1)
    (stage.folder / "bakery.toml").write_text(spoilt, encoding="utf-8")
    return stage.shown("router", "bakery.toml")


def serve(stage: Stage) -> str:
    with stage.showing("serve", "--port", "0") as terminal:
        terminal.expect("--api-key any")
        return terminal.raw


def error_no_server(stage: Stage) -> str:
    return stage.shown("ask", "Hello!", "--url", "http://127.0.0.1:1/v1", "--api-key", "any")


def error_of_the_key(stage: Stage) -> str:
    stage.server.script.refuse(401, "Incorrect API key provided.", times=9)
    return stage.shown("ask", "Hello!", *stage.here)


def error_of_usage(stage: Stage) -> str:
    return stage.shown("talk", "--ecco", "none")


#: Name -> what it is of, and how it comes about.
SCENES: dict[str, tuple[str, Callable[[Stage], str]]] = {
    "help": ("realtime-sync --help", help_),
    "help-talk": ("realtime-sync talk --help", help_of_a_command),
    "demo": ("realtime-sync demo", demo),
    "hello": ('realtime-sync ask "Count to 5"', hello),
    "ask": ("realtime-sync ask, while the model speaks", ask),
    "chat": ("realtime-sync chat, with a turn that fails", chat),
    "talk": ("realtime-sync talk, while the model speaks", talk),
    "talk-ended": ("realtime-sync talk", talk_ended),
    "transcribe": ("realtime-sync transcribe calls/, while it goes on", transcribe),
    "transcribe-ended": (
        "realtime-sync transcribe calls/, with a file that fails",
        transcribe_ended,
    ),
    "translate": ("realtime-sync translate --to es", translate),
    "replay": ("realtime-sync replay bug.jsonl, in its own time", replay),
    "replay-cut": ("realtime-sync replay bug.jsonl, of a recording that is cut", replay_cut),
    "batch": ("realtime-sync batch, while it goes on", batch),
    "batch-ended": ("realtime-sync batch", batch_ended),
    "doctor": ("realtime-sync doctor --no-devices", doctor),
    "doctor-finds": ("realtime-sync doctor, with faults", doctor_finds),
    "devices": ("realtime-sync devices", devices),
    "router": ("realtime-sync router bakery.toml", router),
    "router-mermaid": ("realtime-sync router --mermaid", router_mermaid),
    "router-faults": ("realtime-sync router, with faults", router_faults),
    "serve": ("realtime-sync serve", serve),
    "error-no-server": ("no server", error_no_server),
    "error-key": ("a wrong key", error_of_the_key),
    "error-usage": ("a wrong option", error_of_usage),
}
