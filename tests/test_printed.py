"""Nothing that the suite prints shows a key or audio, at whatever level it logs."""

from __future__ import annotations

import pathlib
import subprocess
import sys

import pytest
from printed import Printed

ROOT = pathlib.Path(__file__).parents[1]

#: Files whose tests send keys and audio, break links, and fail to connect in every way.
TOLD = (
    "tests/session/test_secrets.py",
    "tests/session/test_refusals.py",
    "tests/session/test_script_faults.py",
    "tests/session/test_buffer.py",
    "tests/runtime/test_closing.py",
)


@pytest.mark.row("C15", bound="nothing found")
@pytest.mark.long
def test_at_the_lowest_level() -> None:
    """With everything logged, neither a key nor audio is in what the tests print."""
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *TOLD]
    done = subprocess.run(
        [*command, "--log-level=DEBUG", "--show-capture=no", "-m", "not long"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert "what no test may print" not in done.stdout
    assert done.returncode == 0, done.stdout


def test_it_would_be_found() -> None:
    """A key that is noted, and audio in a log, are found wherever they stand."""
    printed = Printed()
    printed.keys.add("sk-canary-0123456789")
    printed.search("a", [("Captured log call", "DEBUG Authorization: Bearer sk-canary-0123456789")])
    printed.search("b", [("Captured log call", "DEBUG audio=" + "UklGRgAA" * 100)])
    printed.search("c", [("Captured stdout call", "nothing of the kind")])
    assert printed.found == [
        "a: a key is in the Captured log call",
        "b: audio is in the Captured log call",
    ]


def test_keys_are_noted() -> None:
    """Every handshake's key is known to the search."""
    from realtime_sync.runtime.greeting import Headers

    assert Headers.__name__ == "Noted"
    headers = Headers({"Authorization": "Bearer sk-canary-9876543210"}, "agent")
    assert "sk-canary-9876543210" in headers.secrets
