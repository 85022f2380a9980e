"""Our transport as the echo of Autobahn's fuzzing server: the WebSocket protocol, case by case.

The suite runs on Python 2.7 alone. `.ci/run` installs it where that is present; by hand:

    pip install "virtualenv<20.22" && virtualenv -p python2.7 py27
    py27/bin/pip install autobahntestsuite==25.10.1
    REALTIME_SYNC_WSTEST=$PWD/py27/bin/wstest pytest -m "long or not long" \
        tests/runtime/test_autobahn.py

Left out are compression (12, 13), which we never offer, and in the echo the texts that are no
UTF-8, each of which is a test of its own here, and in `tests/session/test_bad_texts.py`.
"""

from __future__ import annotations

import json
import os
import pathlib
import shutil
import subprocess
import sys
from typing import Any

import pytest
from badtexts import BAD_TEXTS

ECHO = pathlib.Path(__file__).with_name("echo.py")
WSTEST = os.environ.get("REALTIME_SYNC_WSTEST")  # read before a fixture takes it away
SLOW = "6.4.*,9.*"  # cases that wait, and those that send megabytes
QUICK = "1.*,2.*,3.*,4.*,5.*,6.*,7.*,10.*", "6.4.*"
PASSED = {"OK", "NON-STRICT", "INFORMATIONAL"}


def missing() -> str:
    """What the suite lacks here, or nothing."""
    if WSTEST is None:
        return "needs Python 2.7: see the head of tests/runtime/test_autobahn.py"
    unshare = shutil.which("unshare")
    if unshare is None:
        return "needs unshare: install util-linux"
    if subprocess.run([unshare, "-Urn", "true"], capture_output=True, check=False).returncode:
        return "needs user namespaces: sysctl kernel.unprivileged_userns_clone=1"
    return ""


def play(folder: pathlib.Path, cases: str, but: str = "") -> dict[str, Any]:
    if lack := missing():
        # named, it was meant to run
        (pytest.skip if WSTEST is None else pytest.fail)(lack)
    done = subprocess.run(
        ["unshare", "-Urn", sys.executable, str(ECHO), str(WSTEST), str(folder), cases, but],
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    played: dict[str, Any] = json.loads(done.stdout)
    return played


@pytest.fixture(scope="module")
def quick(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What became of all but the slow cases."""
    return play(tmp_path_factory.mktemp("quick"), *QUICK)


@pytest.fixture(scope="module")
def slow(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What became of the slow cases."""
    return play(tmp_path_factory.mktemp("slow"), SLOW)


def failed(played: dict[str, Any]) -> list[str]:
    return [
        f"{case}: {one}"
        for case, one in played.items()
        if case not in BAD_TEXTS and not {one["behavior"], one["behaviorClose"]} <= PASSED
    ]


def stays(played: dict[str, Any], case: str) -> None:
    assert played[case]["bad"] == [BAD_TEXTS[case].hex()]
    assert played[case]["alive"]
    assert "code=1000" in played[case]["ended"]


def test_no_case_fails(quick: dict[str, Any]) -> None:
    """Framing, pings, fragments, UTF-8, closes: none of the cases fails."""
    assert len(quick) == 243
    assert failed(quick) == []


@pytest.mark.long
def test_no_case_fails_at_length(slow: dict[str, Any]) -> None:
    """Nor do those of megabytes, down to pieces of 64 bytes."""
    assert len(slow) == 58
    assert failed(slow) == []


@pytest.mark.row("B5")
@pytest.mark.parametrize("case", [case for case in BAD_TEXTS if case[:4] != "6.4."])
def test_bad_text(case: str, quick: dict[str, Any]) -> None:
    """Text that is no UTF-8 is handed on as it came, and the link lives."""
    stays(quick, case)


@pytest.mark.long
@pytest.mark.parametrize("case", [case for case in BAD_TEXTS if case[:4] == "6.4."])
def test_bad_text_at_length(case: str, slow: dict[str, Any]) -> None:
    """So is text that comes in pieces a second apart."""
    stays(slow, case)


def test_the_bad_texts_are_all(quick: dict[str, Any]) -> None:
    """No other case sends text that is no UTF-8."""
    assert {case for case, one in quick.items() if one["bad"]} <= set(BAD_TEXTS)
