"""Silence for C libraries that print while devices are looked for. Knows no library in particular.

ALSA, JACK and PortAudio write dozens of lines to the process's standard error for every card that
is not there. Python cannot reach that; the descriptor can be led elsewhere for a moment.
"""

from __future__ import annotations

import ctypes
import functools
import logging
import os
import re
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager

__all__ = ["give_up", "hush_alsa", "quiet"]

log = logging.getLogger(__name__)

_STDERR = 2
# one at a time: a second would take the first one's file for standard error, and keep it
_lock = threading.Lock()
_kept: list[int] = []  # standard error itself, while it is led elsewhere

#: What the libraries write. Anything else is somebody's own, and reaches standard error.
_NOISE = re.compile(
    rb"^(ALSA |Cannot connect to server |jack server |Jack[A-Z]|JackShm|Expression '|"
    rb"connect\(2\) call to |attempt to connect to server failed|PaMacCore|\|\|PaMacCore)"
)


_given_up = False  # a library has not returned


@contextmanager
def quiet() -> Iterator[None]:
    """Keep the noise of C libraries off standard error; what others write there arrives, later.

    The descriptor is the process's: whatever another thread writes meanwhile is kept and written
    at the end. A child process started meanwhile by another thread inherits the descriptor, so
    keep what is within short.
    """
    if _given_up:
        yield
        return
    with _lock:
        try:
            kept = os.dup(_STDERR)
        except OSError:  # closed, as in a service without a terminal: nothing to keep quiet
            yield
            return
        with tempfile.TemporaryFile() as file:
            os.dup2(file.fileno(), _STDERR)
            _kept.append(kept)
            try:
                yield
            finally:
                os.dup2(kept, _STDERR)
                _kept.remove(kept)
                os.close(kept)
                file.seek(0)
                _pass_on(file.read())


@functools.cache
def hush_alsa() -> None:
    """Have ALSA print nothing any more, in this process: it does at each underrun, at any time.

    Once a stream is open; until then what it says is in the log.
    """
    try:
        alsa, libc = ctypes.CDLL("libasound.so.2"), ctypes.CDLL(None)
        # a function that does nothing and looks at no argument: one of Python's would need the
        # interpreter, which may have ended
        alsa.snd_lib_error_set_handler(ctypes.cast(libc.getpid, ctypes.c_void_p))
    except (OSError, AttributeError):
        return  # no ALSA here


def give_up() -> None:
    """A library has not returned: if it has standard error, give that back for good."""
    global _given_up
    for kept in list(_kept):
        os.dup2(kept, _STDERR)
        _given_up = True


def _pass_on(said: bytes) -> None:
    noise = False
    for line in said.splitlines(keepends=True):
        # a blank line belongs to what stands before it
        noise = bool(_NOISE.match(line)) or (noise and not line.strip())
        if noise:
            log.debug("%s", line.decode("utf-8", "replace").rstrip())
            continue
        try:
            os.write(_STDERR, line)
        except OSError:
            return  # nobody reads it
