"""Sessions in the cells of a real kernel, whose event loop runs all the while."""

from __future__ import annotations

from .conftest import BEGIN
from .kernel import Kernel
from .reading import read


def test_a_reply_in_a_cell(kernel: Kernel) -> None:
    """A call blocks the cell and no more; the page has words, a player, and no warning."""
    cell = kernel.run(
        "session = RealtimeSession(endpoint=server.endpoint).open()\nsession.ask('Count to 3')"
    )
    assert cell.text == ""
    page = read(cell.html)
    assert page.text.startswith("1, 2, 3.● completed")
    ((rate, channels, pcm),) = page.sounds
    assert (rate, channels) == (24_000, 1)
    assert 0.4 < len(pcm) / 48_000 < 0.7
    assert cell.plain.startswith("<Response resp_")
    assert cell.plain.endswith(" completed, '1, 2, 3.'>")
    card = kernel.run("session")
    assert "● open  RealtimeSession" in read(card.html).text
    assert card.plain == "<RealtimeSession open, 2 items>"
    assert read(kernel.run("session.conversation").html).text == "userCount to 3assistant1, 2, 3."
    kernel.run("session.close()")


def test_interrupting_a_call(kernel: Kernel) -> None:
    """The stop button ends a call at once; the session goes on, and nothing speaks any more."""
    opened = kernel.run(
        "session = RealtimeSession(endpoint=server.endpoint).open()\n"
        "server.script.hold(after=1)\n"
        "_ = session.on('response.created', lambda _: print('it speaks', flush=True))"
    )
    cell = kernel.begin(
        "try:\n    session.ask('Count to 3')\n"
        "except KeyboardInterrupt:\n    stopped = time.time()\n    raise"
    )
    # some kernels show what a thread prints below the cell that began it
    kernel.until(lambda: "it speaks" in opened.text + cell.text)
    kernel.interrupt()
    kernel.until(lambda: cell.ended is not None)
    assert cell.error == "KeyboardInterrupt"
    took = float(kernel.run("stopped").plain) - kernel.interrupted
    assert took < 5  # the call itself would go on for half a minute
    again = kernel.run("session.ask('Count to 3')")
    assert read(again.html).text.startswith("1, 2, 3.")
    kernel.run("session.close()")


def test_interrupting_a_stream(kernel: Kernel) -> None:
    """The stop button ends a loop over what the model says, too; the server is told to stop."""
    kernel.run("session = RealtimeSession(endpoint=server.endpoint).open()")
    kernel.run("server.script.hold(after=1)")
    cell = kernel.begin(
        # without flush: it is shown by another thread, when this one waits for the next
        "for piece in session.stream('Count to 3'):\n    print('it speaks', piece)"
    )
    kernel.until(lambda: "it speaks" in cell.text)
    kernel.interrupt()
    kernel.until(lambda: cell.ended is not None)
    assert cell.error == "KeyboardInterrupt"
    kernel.run("del piece; session.ask('Count to 3')")
    assert "'response.cancel'" in kernel.run("[event['type'] for event in server.received]").plain
    kernel.run("session.close()")


OPEN = """
warnings.simplefilter("always", ResourceWarning)
session = RealtimeSession(endpoint=server.endpoint).open()
session.ask("Count to 3")
"""


def test_running_a_cell_again(kernel: Kernel) -> None:
    """A session that is forgotten so is closed, with a word of it, though Out has its replies."""
    assert kernel.run(OPEN).text == ""
    for _ in range(3):
        said = kernel.run(OPEN).text + kernel.run("_ = gc.collect()").text
        assert said.count("ResourceWarning: a session was not closed") == 1
    assert kernel.run("import realtime_sync; len(realtime_sync.sessions())").plain == "1"
    assert kernel.run("ours()").plain.count("realtime-io") == 1
    said = kernel.run("del session; _ = gc.collect()").text
    assert "ResourceWarning" in said
    assert kernel.run("realtime_sync.sessions()").plain == "()"
    kernel.run("for t in threading.enumerate():\n    if t.name == 'realtime-io': t.join(5)")
    assert "realtime-io" not in kernel.run("ours()").plain


def test_restarting(kernel: Kernel) -> None:
    """The restart button ends a kernel with an open session as it does any other."""
    kernel.run(OPEN)
    kernel.restart()
    assert kernel.ended_after < 20  # after 30 it would have been killed: see the driver
    assert kernel.run("1 + 1").plain == "2"
    kernel.run(BEGIN)  # what the end of the test expects
