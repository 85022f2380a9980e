"""The samples with a window, after a short conversation."""

from __future__ import annotations

import shutil
from importlib.util import find_spec
from pathlib import Path

from gui.display import display
from gui.person import bubbles, running

from realtime_sync.audio import write_wav
from realtime_sync.local import LocalServer
from realtime_sync.local.speech import tones

from . import Missing

__all__ = ["WINDOWS", "photograph"]

#: Name -> what it is of, the sample, and what it is made with.
WINDOWS = {
    "tk": ("samples/tkchat.py", "tkchat.py", "tkinter"),
    "qt": ("samples/qtchat.py", "qtchat.py", "PySide6"),
}


def photograph(name: str, path: Path) -> None:
    """Use a window like a person, and take its picture.

    Raises:
        Missing: Something of the system's is not here.
    """
    _, sample, needs = WINDOWS[name]
    if find_spec(needs) is None:
        raise Missing(f"{needs} is not installed")
    for command, package in (("Xvfb", "xvfb"), ("xdotool", "xdotool")):
        if shutil.which(command) is None:
            raise Missing(f"no {command}: apt-get install {package}")
    write_wav(path.parent / "speech.wav", tones("Tell me of the sea, and of the ships on it") * 4)
    with display() as screen, LocalServer(voice="tones") as server:
        server.script.transcripts(["Tell me of the sea."])
        server.reply(
            "It was there before all stories, and it has not finished telling them.",
            "They pass, and most of them wave: the keeper of the lighthouse wrote all of them up.",
            RuntimeError("the model has hiccups"),
        )
        keys = {"OPENAI_BASE_URL": server.url, "OPENAI_API_KEY": "any", "DISPLAY": screen}
        with running(sample, path.parent, "speech.wav", "answer.wav", **keys) as person:
            person.speak(lambda: len(server.received) > 60)  # 20 ms of sound each
            person.sees(lambda picture: bubbles(picture, "assistant") == 1, "an answer")
            server.assert_said("telling them", "assistant", timeout=20)
            person.type("And the ships?")
            server.assert_said("wrote all of them up", "assistant", timeout=20)
            person.type("Go on.")
            person.sees(lambda picture: bubbles(picture, "error") == 1, "an error").save(path)
    for left in ("speech.wav", "answer.wav"):
        (path.parent / left).unlink()
