"""One kernel for all tests that need a real one: it takes two seconds to start."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from .kernel import Kernel


@pytest.fixture(scope="package")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kernel]:
    """The kernel."""
    pytest.importorskip("ipykernel", reason='needs: pip install ".[test]"')
    kernel = Kernel(tmp_path_factory.mktemp("kernel"))
    yield kernel
    kernel.close()


#: What the first cell of every notebook here does.
BEGIN = """
import gc, threading, time, warnings
from realtime_sync import RealtimeSession
from realtime_sync.local import LocalServer

def ours():
    return sorted(t.name for t in threading.enumerate() if t.name.startswith("realtime-"))

server = LocalServer(speed=None, voice="tones").start()
"""
#: And the last: whatever the cells between have left in Out, and in the last traceback.
END = """
import sys
for name in ("last_traceback", "last_value", "last_exc", "last_type"):
    setattr(sys, name, None)
server.close()
for name in ("ipywidgets",):
    if name in sys.modules:
        sys.modules[name].Widget.close_all()
%reset -f
"""


@pytest.fixture
def kernel(running: Kernel) -> Iterator[Kernel]:
    """The kernel, with a server in it that needs no key; what was in it before is gone."""
    running.run(BEGIN)
    yield running
    running.run(END)
