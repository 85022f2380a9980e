"""What happens to a session whose process ends, is interrupted, or forks."""

from __future__ import annotations

import faulthandler
import os
import pathlib
import signal
import subprocess
import sys
import time

import pytest
from measured import Measured

from realtime_sync.local import LocalServer

BEGIN = """
import os, sys, threading, time
import realtime_sync
from realtime_sync import RealtimeSession, Compatible
from realtime_sync.errors import *
def slow() -> str:
    "Waits."
    print("tool", flush=True)
    time.sleep(60)
    return "x"
session = RealtimeSession(endpoint=Compatible({url!r}, api_key="k"), output_modalities=["text"],
                          turn_detection=None, tools=[slow], ping_interval=None).open()
"""


def run(server: LocalServer, code: str, *, interrupt: bool = False) -> tuple[int, str, str, float]:
    """Exit code, output, errors, and the seconds it took after it said "ready"."""
    process = subprocess.Popen(
        [sys.executable, "-W", "error", "-c", BEGIN.format(url=server.url) + code],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        bufsize=0,  # or what follows "ready" would stay in a buffer that communicate() passes over
        cwd=pathlib.Path(__file__).parents[2],
    )
    assert process.stdout is not None
    said = b""
    while b"ready" not in said:
        line = process.stdout.readline()
        if not line:
            break
        said += line
    begun = time.monotonic()
    if interrupt:
        time.sleep(0.05)
        process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=20)
    took = time.monotonic() - begun
    return process.returncode, (said + out).decode(), err.decode(), took


@pytest.mark.parametrize(
    "code",
    [
        "print('ready')",
        "session.submit('tell me a long story'); print('ready')",
        "it = session.events(); session.on('*', print); session.submit('x'); print('ready')",
        "session.on('*', lambda e: time.sleep(60)); session.ask('x'); print('ready')",
    ],
    ids=["idle", "asking", "listening", "stuck callback"],
)
@pytest.mark.row("F41", bound="exit code 0 within 3 s")
def test_exit_without_close(code: str, server: LocalServer, measured: Measured) -> None:
    """A process that forgets to close its session exits at once, with 0 and without a word."""
    code, _, err, took = run(server, code)
    measured(took)
    assert (code, err) == (0, "")
    assert took < 3


@pytest.mark.row("F41", bound="exit code 0 within 3 s")
def test_exit_with_a_stuck_tool(server: LocalServer, measured: Measured) -> None:
    """A tool that never returns does not keep the process alive."""
    server.reply(server.call("slow"))
    code, _, err, took = run(
        server,
        "p = session.expect('tool.started'); f = session.submit('x'); p.result(); print('ready')",
    )
    measured(took)
    assert (code, err) == (0, "")
    assert took < 3


@pytest.mark.row("F41", bound="its own exit code within 3 s")
@pytest.mark.parametrize(
    ("act", "code"), [("os._exit(7)", 7), ("sys.exit(7)", 0), ("session.close()", 0)]
)
def test_exit_in_a_callback(act: str, code: int, server: LocalServer, measured: Measured) -> None:
    """os._exit() there ends the process; sys.exit() there is an exception like any other."""
    exit_code, out, err, took = run(
        server,
        f"""
done = threading.Event()
session.on("response.done", lambda e: (print("ready", flush=True), {act}))
session.on("callback.error", lambda e: print("raised", flush=True))
session.on("connection.closed", lambda e: done.set())
session.ask("hello")
""",
    )
    measured(took)
    assert exit_code == code
    assert took < 3
    assert "Fatal Python error" not in err
    assert ("raised" in out) == (act == "sys.exit(7)")


@pytest.mark.row("F41", bound="no fatal error in 200 exits")
@pytest.mark.long
def test_many_exits(server: LocalServer) -> None:
    """However busy a session is when its process ends: exit code 0, and not a word."""
    faulthandler.cancel_dump_traceback_later()  # pytest's, which takes minutes for a hang
    ends = [
        "session.submit('tell me a long story'); print('ready')",
        "session.on('*', lambda e: time.sleep(0.001)); session.submit('x'); print('ready')",
        "session.on('*', print); list(session.stream('x')); print('ready')",
        "f = session.submit('x')\n"
        "threading.Thread(target=f.exception, daemon=True).start(); print('ready')",
    ]
    for number in range(200):
        code, _, err, took = run(server, ends[number % len(ends)])
        assert (code, err) == (0, ""), number
        assert took < 3


@pytest.mark.row("F41")
def test_exit_inside_with(server: LocalServer) -> None:
    """sys.exit() in the main thread, inside `with`, closes and exits with its code."""
    code, _, err, took = run(server, "print('ready')\nwith session:\n    sys.exit(3)")
    assert (code, err) == (3, "")
    assert took < 3


@pytest.mark.row("F40", bound="exit within 3 s")
@pytest.mark.parametrize(
    "call", ["session.ask('x', timeout=None)", "session.wait_for('response.done', timeout=None)"]
)
def test_ctrl_c(call: str, server: LocalServer, measured: Measured) -> None:
    """Ctrl-C in a blocking call inside `with` ends the process in order."""
    server.script.hold(after=1)
    code, _, err, took = run(
        server, f"print('ready', flush=True)\nwith session:\n    {call}", interrupt=True
    )
    measured(took)
    assert code in (1, 130, -signal.SIGINT)
    assert err.strip().splitlines()[-1] == "KeyboardInterrupt"
    assert "Exception ignored" not in err
    assert took < 3


@pytest.mark.row("F42")
@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
def test_fork_leaves_the_parent_alone(server: LocalServer) -> None:
    """A forked child that closes or just exits does not disturb the parent's session."""
    code, _, err, _ = run(
        server,
        """
for ends in (lambda: session.close(timeout=1), lambda: None):
    pid = os.fork()
    if pid == 0:
        ends()
        os._exit(0)
    assert os.waitpid(pid, 0)[1] == 0
    assert session.ask("hello", timeout=5).status == "completed"
session.close()
print("ready")
""",
    )
    assert code == 0, err


@pytest.mark.row("F42", bound="SessionClosed at once")
@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
def test_what_a_forked_child_may_do(server: LocalServer) -> None:
    """It is told at once, though a thread that it does not have held the lock; it may look, end in
    the ordinary way, and open a session of its own."""
    code, _, err, _ = run(
        server,
        """
held, go = threading.Event(), threading.Event()
def hold(_):
    held.set()
    go.wait(10)
holder = threading.Thread(target=session._look, args=(hold,))
session.ask("hello", timeout=5)
holder.start()
held.wait(10)
pid = os.fork()
if pid == 0:
    for call in (
        lambda: session.ask("x"),
        lambda: session.input_audio_buffer.append(bytes(2)),
        lambda: session.wait_for("x", timeout=5),
    ):
        try:
            call()
        except SessionClosed as exc:
            assert "forked" in str(exc)
        else:
            os._exit(1)
    assert (session.state, len(session.conversation.items)) == ("closed", 2)
    assert realtime_sync.sessions() == ()
    with RealtimeSession(endpoint=session._setup._endpoints, output_modalities=["text"]) as own:
        assert own.ask("hello", timeout=5).status == "completed"
    del session
    sys.exit(7)
go.set()
assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 7
holder.join()
assert session.ask("hello", timeout=5).status == "completed"
session.close()
print("ready")
""",
    )
    assert (code, err) == (0, "")


@pytest.mark.row("F41", bound="close frame within 1 s of the exit")
@pytest.mark.row("F42")
def test_what_a_forked_child_waits_for(server: LocalServer) -> None:
    """What its parent had begun is told to be over, instead of waited for without an end."""
    server.script.hold(after=1)
    code, _, err, _ = run(
        server,
        """
events = session.events("never")
with session.expect("response.created") as begun:
    pending = session.submit("x")
    stream = session.stream("y")
response = begun.result(timeout=10).response
handle = session.response.get(response.id)
pid = os.fork()
if pid == 0:
    for call in (
        lambda: pending.result(),
        lambda: pending.exception(),
        lambda: next(stream),
        lambda: handle.wait(timeout=None),
        lambda: list(handle.text_deltas()),
    ):
        try:
            call()
        except SessionClosed as exc:
            assert "forked" in str(exc), exc
        else:
            os._exit(1)
    os._exit(7 if list(events) == [] else 2)
assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 7
session.close()
print("ready")
""",
    )
    assert (code, err) == (0, "")


def test_exit_says_goodbye(server: LocalServer) -> None:
    """A session that nobody closed is closed as the process ends, and its last callback runs."""
    code, out, err, _ = run(
        server,
        """
session.on("response.done", lambda e: None)
session.on("connection.closed", lambda e: print("closed", e.error, flush=True))
session.ask("hello")
print("ready", flush=True)
""",
    )
    assert (code, err) == (0, "")
    assert "closed None" in out


@pytest.mark.row("F41")
@pytest.mark.parametrize("end", ["session.ask('hello')", "session.submit('hello'); seen.result()"])
def test_callbacks_of_the_last_answer(end: str, server: LocalServer) -> None:
    """They run though the program ends with that answer, before anything was handed to them."""
    code, out, err, _ = run(
        server,
        f"""
from realtime_sync.runtime.telling import Telling
hand_over = Telling._dispatch_to
def late(self, *args):
    time.sleep(0.2)  # the I/O thread has to wait for the processor
    hand_over(self, *args)
Telling._dispatch_to = late
session.on("response.done", lambda e: print("done", flush=True))
seen = session.expect("response.done")
{end}
print("ready", flush=True)
""",
    )
    assert (code, err) == (0, "")
    assert "done" in out


@pytest.mark.row("F41", bound="no thread after the end began")
def test_nothing_begins_after_the_end(server: LocalServer) -> None:
    """Once the interpreter ends, no thread is started: opening then is a typed error."""
    code, out, err, took = run(
        server,
        """
import atexit
import realtime_sync.runtime.process as process
atexit.unregister(process._at_exit)
@atexit.register
def late():
    other = RealtimeSession(endpoint=session._setup._endpoints)
    try:
        other.open(timeout=2)
    except ConnectError:
        print("refused", flush=True)
    print(sorted(t.name for t in threading.enumerate() if t.name.startswith("realtime")))
session.close()
atexit.register(process._at_exit)
print("ready", flush=True)
""",
    )
    assert (code, err) == (0, "")
    assert out.split("ready\n")[1] == "refused\n[]\n"
    assert took < 3


@pytest.mark.row("F43", bound="a ResourceWarning, and nothing left")
def test_forgotten(server: LocalServer) -> None:
    """A session that nobody holds is closed where it is collected, and a warning says so."""
    code, out, err, _ = run(
        server,
        """
import gc, warnings
warnings.simplefilter("always")
session.on("response.done", lambda e, s=session: s)  # a cycle
session.ask("hello")
del session
while realtime_sync.sessions():
    gc.collect()
for thread in threading.enumerate():
    if thread.name.startswith("realtime"):
        thread.join(5)
print(sorted(t.name for t in threading.enumerate() if t.name.startswith("realtime")))
print("ready", flush=True)
""",
    )
    assert code == 0
    assert "ResourceWarning: a session was not closed" in err
    assert out.startswith("[]\n")
