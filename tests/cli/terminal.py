"""The command on a pseudo-terminal: what a person types and sees."""

from __future__ import annotations

import codecs
import fcntl
import os
import pty
import re
import select
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Sequence
from pathlib import Path

_PATIENCE = 30.0  # seconds; only a failure takes so long
_STEERING = re.compile(r"\x1b\[[0-9;?]*[a-zA-Z]")
# Ctrl-C reaches the process only if the terminal is the one that controls it
_LAUNCH = (
    "import fcntl, os, sys, termios; fcntl.ioctl(0, termios.TIOCSCTTY, 0); "
    "os.execvp(sys.argv[1], sys.argv[1:])"
)


class Terminal:
    """A terminal, with the command on it.

    Args:
        arguments: The command's.
        lines: How high it is.
        columns: How wide.
        where: The folder that it runs in.
        program: Another one in its stead.
    """

    def __init__(
        self,
        *arguments: str,
        lines: int = 24,
        columns: int = 80,
        where: Path | None = None,
        program: Sequence[str] = (sys.executable, "-m", "realtime_sync"),
    ) -> None:
        self.raw = ""  # everything that was shown
        self._seen = 0  # how much of `text` was expected already
        # of a character that comes in two pieces neither is one
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._master, slave = pty.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))
        self._process = subprocess.Popen(
            [sys.executable, "-c", _LAUNCH, *program, *arguments],
            stdin=slave,
            stdout=slave,
            stderr=slave,
            start_new_session=True,
            cwd=where,
            env={**os.environ, "TERM": "xterm"},
        )
        os.close(slave)

    @property
    def text(self) -> str:
        """What was shown, without colours."""
        return _STEERING.sub("", self.raw).replace("\r", "")

    def type(self, keys: str) -> None:
        """Keys pressed; "\\r" is Enter."""
        os.write(self._master, keys.encode())

    def expect(self, words: str) -> None:
        """Waits until this is shown, behind what was expected before."""
        deadline = time.monotonic() + _PATIENCE
        while (at := self.text.find(words, self._seen)) < 0:
            assert self._read(deadline), f"{words!r} did not come; this did:\n{self.text}"
        self._seen = at + len(words)

    def ended(self) -> int:
        """Waits for the end; the exit code."""
        deadline = time.monotonic() + _PATIENCE
        while self._read(deadline):
            pass
        return self._process.wait(_PATIENCE)

    def ended_by(self, key: str) -> int:
        """Presses a key until the command has ended, as a person would; the exit code.

        Once is not always enough: a signal that comes between the prompt and the `select` behind
        it waits in CPython's readline for the next key. No person is so quick; a test is.
        """
        deadline = time.monotonic() + _PATIENCE
        while time.monotonic() < deadline:
            self.type(key)
            patience = time.monotonic() + 1
            while time.monotonic() < patience and self._read(patience):
                pass  # a screen that is drawn again and again never falls silent
            try:
                return self._process.wait(0.5)
            except subprocess.TimeoutExpired:
                continue
        raise AssertionError(f"{key!r} does not end it; this was shown:\n{self.text}")

    def _read(self, deadline: float) -> bool:
        """Whether something more was shown in time."""
        ready, _, _ = select.select([self._master], [], [], max(0, deadline - time.monotonic()))
        if not ready:
            return False
        try:
            data = os.read(self._master, 65536)
        except OSError:  # Linux: nobody holds the other end any more
            return False
        self.raw += self._decoder.decode(data)
        return bool(data)

    def __enter__(self) -> Terminal:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.wait(_PATIENCE)
        os.close(self._master)
