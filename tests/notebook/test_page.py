"""The widget in a real kernel, used from a page: what it sends, and what it is sent."""

from __future__ import annotations

from pathlib import Path

import pytest

from realtime_sync.audio import read_wav, write_wav

from .kernel import Kernel
from .reading import Page

TONE = (b"\x10\x20" * 20 + b"\xf0\xdf" * 20) * 18_000  # thirty seconds at 24 kHz

SHOW = """
from realtime_sync.notebook import PushToTalkWidget
server.script.transcripts(["a question", "another"])
server.reply("an answer", "one more")
session = RealtimeSession(
    endpoint=server.endpoint, turn_detection=None, transcription="whisper-1"
).open()
widget = PushToTalkWidget(session, "in.wav", "out.wav")
widget
"""


@pytest.fixture
def where(kernel: Kernel) -> Path:
    """The kernel's folder, with speech in it."""
    pytest.importorskip("ipywidgets", reason='needs: pip install ".[test]"')
    folder = Path(kernel.run("import os; print(os.getcwd())").text.strip())
    write_wav(folder / "in.wav", TONE, 24_000)
    return folder


def reads(kernel: Kernel, words: str) -> None:
    """Wait until the page shows these words."""
    kernel.until(lambda: words in "".join(page_of(kernel)))


def page_of(kernel: Kernel) -> list[str]:
    htmls = [one for one in kernel.widgets.values() if one.get("_model_name") == "HTMLModel"]
    return [Page(str(one.get("value", ""))).text for one in htmls]


def test_talking(kernel: Kernel, where: Path) -> None:
    """Pressed on the page, it hears; pressed again, the answer is read there, and heard."""
    cell = kernel.run(SHOW)
    assert "application/vnd.jupyter.widget-view+json" in cell.shown[0]
    assert cell.text == ""
    button = kernel.widget(_model_name="ToggleButtonModel")
    reads(kernel, "ready")
    kernel.set(button, value=True)
    reads(kernel, "listening")
    kernel.until(lambda: kernel.widgets[button]["description"] == "Send what was said")
    kernel.until(lambda: any(one.get("value", 0) > 0.5 for one in levels(kernel)))
    # a cell that runs does not hold up what is said
    kernel.run("with session.expect('conversation.updated') as _:\n    time.sleep(0.3)")
    kernel.set(button, value=False)
    reads(kernel, "usera questionassistantan answer")
    reads(kernel, "ready")
    assert kernel.run("print(len(server.received) > 10)").text == "True\n"
    end = kernel.widget(_model_name="ButtonModel", description="End")
    kernel.click(end)
    reads(kernel, "ended; the session is open")
    assert "realtime-mic" not in kernel.run("ours()").plain
    pcm, _ = read_wav(where / "out.wav")
    assert len(pcm) > 4_800
    kernel.run("session.close()")


def levels(kernel: Kernel) -> list[dict[str, float]]:
    return [
        one for one in kernel.widgets.values() if one.get("_model_name") == "FloatProgressModel"
    ]


def test_typing_while_a_cell_is_idle(kernel: Kernel, where: Path) -> None:
    """A typed line is answered, and taken off the page; its words cannot be part of the page."""
    kernel.run(SHOW)
    line = kernel.widget(_model_name="TextModel")
    kernel.set(line, value="<img src=x onerror=alert(1)>")
    kernel.until(lambda: kernel.widgets[line]["value"] == "")
    reads(kernel, "user<img src=x onerror=alert(1)>assistantan answer")
    kernel.run("session.close()")
    reads(kernel, "the session is closed")
    kernel.until(lambda: bool(kernel.widgets[line]["disabled"]))


def test_running_the_cell_again(kernel: Kernel, where: Path) -> None:
    """The widget before ends, and its session is closed when nobody holds it any more."""
    kernel.run("warnings.simplefilter('always', ResourceWarning)")
    kernel.run(SHOW)
    said = kernel.run(SHOW).text + kernel.run("_ = gc.collect()").text
    assert "a session was not closed" in said
    assert (
        kernel.run("ours().count('realtime-widget'), ours().count('realtime-io')").plain == "(1, 1)"
    )
    kernel.run("widget.close(); session.close(); print(ours())")


def test_no_devices(kernel: Kernel) -> None:
    """A kernel without a sound library says so, with the cure; a spoken answer can be heard."""
    pytest.importorskip("ipywidgets", reason='needs: pip install ".[test]"')
    kernel.run("import sys; sys.modules.update(pyaudio=None, sounddevice=None)")
    kernel.run(SHOW.replace(', "in.wav", "out.wav"', ""))
    button = kernel.widget(_model_name="ToggleButtonModel")
    assert kernel.widgets[button]["disabled"]
    reads(kernel, "pip install")
    reads(kernel, "A kernel on your own machine has yours.")
    kernel.set(kernel.widget(_model_name="TextModel"), value="Hi")
    kernel.until(
        lambda: any("data:audio/wav" in str(one.get("value")) for one in kernel.widgets.values())
    )
    kernel.run(
        "widget.close(); session.close(); del sys.modules['pyaudio'], sys.modules['sounddevice']"
    )
