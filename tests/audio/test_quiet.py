"""Standard error while C libraries print: their noise is gone, everybody else's words are not."""

from __future__ import annotations

import contextlib
import logging
import os
import subprocess
import sys
import threading

import pytest

from realtime_sync.audio.quiet import quiet


def test_noise_is_kept_and_words_pass(
    capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    """Lines of ALSA, JACK and PortAudio go to the log at DEBUG; all others to standard error."""
    with caplog.at_level(logging.DEBUG, "realtime_sync.audio.quiet"), quiet():
        os.write(2, b"ALSA lib pcm.c:2666:(snd_pcm_open_noupdate) Unknown PCM cards.pcm.modem\n")
        os.write(2, b"jack server is not running or cannot be started\n")
        os.write(2, b"Cannot connect to server socket err = No such file or directory\n")
        os.write(2, b"Expression 'ret' failed in 'src/hostapi/alsa/pa_linux_alsa.c', line: 1736\n")
        os.write(2, b"ALSA lib pulse.c:242:(pulse_connect) Unable to connect: refused\n\n")
        os.write(2, b"somebody's own words\n\n")
        assert capfd.readouterr().err == ""
    assert capfd.readouterr().err == "somebody's own words\n\n"
    assert len(caplog.records) == 6
    os.write(2, b"after\n")
    assert capfd.readouterr().err == "after\n"


def test_an_exception_leaves_it_as_it_was(capfd: pytest.CaptureFixture[str]) -> None:
    """What is raised inside passes, and standard error is back."""

    def fail() -> None:
        with quiet():
            os.write(2, b"before\n")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    os.write(2, b"after\n")
    assert capfd.readouterr().err == "before\nafter\n"


def opened() -> set[tuple[str, str]]:
    """The descriptors of this process, and what each is of."""
    there = set()
    for name in os.listdir("/proc/self/fd") if os.path.isdir("/proc/self/fd") else ():
        with contextlib.suppress(FileNotFoundError):  # the one that lists them
            there.add((name, os.readlink(f"/proc/self/fd/{name}")))
    return there


def test_many_at_once(capfd: pytest.CaptureFixture[str]) -> None:
    """Threads that open devices at the same time lose nothing, and leave no descriptor behind."""
    before = opened()

    def run(number: int) -> None:
        for step in range(20):
            with quiet():
                os.write(2, b"ALSA lib noise\n")
                os.write(2, b"%d %d\n" % (number, step))

    threads = [threading.Thread(target=run, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    said = capfd.readouterr().err.splitlines()
    assert sorted(said) == sorted(f"{number} {step}" for number in range(4) for step in range(20))
    assert opened() - before == set()


def test_without_standard_error() -> None:
    """A service that has closed its standard error can look for devices."""
    script = (
        "import os; from realtime_sync.audio.quiet import quiet\n"
        "os.close(2)\n"
        "with quiet(): print('inside')\n"
    )
    ran = subprocess.run([sys.executable, "-c", script], capture_output=True, timeout=100)
    assert ran.stdout == b"inside\n"
