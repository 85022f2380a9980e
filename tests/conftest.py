"""What holds for every test: nothing survives it, nothing is logged as an error unasked."""

from __future__ import annotations

import fnmatch
import gc
import logging
import os
import pathlib
import signal
import threading
from collections.abc import Callable, Iterator

import pytest
from hypothesis import HealthCheck, settings
from measured import Measured
from nullsinks import NullSinks, missing
from pipe import LIMIT, Line
from printed import Printed

from realtime_sync.local import LocalServer
from realtime_sync.runtime.transport import Transport

_printed = Printed()
_printed.watch()
# what some tests play the server with; it logs what it is sent, the key among it
logging.getLogger("websockets").setLevel(logging.INFO)

# a busy machine makes no property false; what hangs is named after a minute. The examples are the
# same each time: a run fails for what has changed. Others: --hypothesis-profile=others
_patient = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("others", _patient)
settings.register_profile("patient", _patient, derandomize=True)
settings.load_profile("patient")

_PROXIES = ("http_proxy", "https_proxy", "all_proxy", "no_proxy", "ws_proxy", "wss_proxy")


def pytest_configure() -> None:
    """Ctrl-C means Ctrl-C: a run in the background inherits that it is ignored."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(autouse=True)
def _no_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """No key, no URL and no proxy of the machine's reaches a test."""
    for name in list(os.environ):
        if name.startswith(("OPENAI_", "REALTIME_SYNC_")) or name.lower() in _PROXIES:
            monkeypatch.delenv(name)


@pytest.fixture(autouse=True)
def _no_thread_survives() -> Iterator[None]:
    """No thread of the library outlives its test."""
    before = set(threading.enumerate())
    yield
    ours = [t for t in threading.enumerate() if t.name.startswith("realtime-") and t not in before]
    for thread in ours:
        thread.join(LIMIT)  # one that was told to end may need a moment
    left = [thread.name for thread in ours if thread.is_alive()]
    assert not left, f"threads survived the test: {left}"


class _Errors(logging.Handler):
    """Collects what is logged as an error."""

    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self.records: list[logging.LogRecord] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.records.append(record)


@pytest.fixture
def logged_errors() -> list[logging.LogRecord]:
    """For a test that expects ERROR records of the library: they are in here."""
    return []


@pytest.fixture(autouse=True)
def _no_error_logged(request: pytest.FixtureRequest) -> Iterator[None]:
    """No ERROR record of the library, unless the test reads the log itself."""
    handler, logger = _Errors(), logging.getLogger("realtime_sync")
    expected = {"caplog", "logged_errors"} & set(request.fixturenames)
    if "logged_errors" in expected:
        handler.records = request.getfixturevalue("logged_errors")
    logger.addHandler(handler)
    yield
    logger.removeHandler(handler)
    if not expected:
        said = [logging.Formatter().format(record) for record in handler.records]
        assert not said, "the library logged errors:\n" + "\n".join(said)


@pytest.fixture
def uncollected() -> Iterator[None]:
    """Python drops what the handler of a signal raises in a finalizer: none is run by chance."""
    gc.disable()
    yield
    gc.enable()


@pytest.fixture
def measured(record_property: Callable[[str, object], None]) -> Measured:
    """Notes a figure for the table of faults: `measured(0.1)` seconds, or `measured(3, "MB")`."""
    return lambda value, unit="s": record_property("measured", (value, unit))


@pytest.fixture
def line(monkeypatch: pytest.MonkeyPatch) -> Iterator[Line]:
    """A network in memory: every session of the test connects over it."""
    made = Line()
    monkeypatch.setattr(Transport, "connect", staticmethod(made.connect))
    yield made
    made.close()


@pytest.fixture
def server() -> Iterator[LocalServer]:
    """An embedded server that sends everything at once."""
    with LocalServer(speed=None, voice="tones") as running:
        yield running


# --- skips: REALTIME_SYNC_STRICT_SKIPS=1 fails the run on any that is not in skips.txt

_STRICT = "REALTIME_SYNC_STRICT_SKIPS"
_SLOW = 10.0  # seconds above which a test carries the marker `long`
_skipped: list[tuple[str, str]] = []  # node id, reason
_slow: list[tuple[str, float]] = []  # node id, seconds


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    """Notes a skipped test, a key that was shown, and what should carry the marker `long`."""
    _note(report)
    _printed.search(report.nodeid, [*report.sections, ("report", report.longreprtext)])
    if report.when == "call" and report.duration > _SLOW and "long" not in report.keywords:
        _slow.append((report.nodeid, report.duration))


def pytest_collectreport(report: pytest.CollectReport) -> None:
    """Notes a file that was skipped as a whole."""
    _note(report)


def _note(report: pytest.TestReport | pytest.CollectReport) -> None:
    if report.skipped and not hasattr(report, "wasxfail"):
        reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else report.longrepr
        _skipped.append((report.nodeid, str(reason)))


def _unlisted() -> list[tuple[str, str]]:
    """Skips that no line of skips.txt allows: a pattern of node ids, then the reason."""
    listed = pathlib.Path(__file__).with_name("skips.txt").read_text(encoding="utf-8")
    allowed = [
        line.split(None, 1)[0]
        for line in listed.splitlines()
        if line.strip() and not line.startswith("#")
    ]
    return [
        (node, reason)
        for node, reason in _skipped
        if not any(fnmatch.fnmatchcase(node.removeprefix("tests/"), one) for one in allowed)
    ]


# its own variable is read before any fixture takes it away
_strict = os.environ.get(_STRICT) == "1"


def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    """A skip that is not on the list, or a key that was shown, fails the run."""
    if exitstatus == 0 and (_printed.found or (_strict and _unlisted())):
        session.exitstatus = 1


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Names the skips that are not on the list, and tests that are long without saying so."""
    if _slow:
        terminalreporter.section("tests over ten seconds without the marker `long`")
        for node, seconds in _slow:
            terminalreporter.line(f"{node}: {seconds:.1f} s")
    if _printed.found:
        terminalreporter.section("what no test may print")
        for line in _printed.found:
            terminalreporter.line(line)
    if _strict and (unlisted := _unlisted()):
        terminalreporter.section("skips that tests/skips.txt does not list")
        for node, reason in unlisted:
            terminalreporter.line(f"{node}: {reason}")


@pytest.fixture(scope="module")
def pulseaudio() -> Iterator[NullSinks]:
    """One daemon for a file of tests."""
    assert missing() is None, missing()
    with NullSinks() as running:
        yield running


@pytest.fixture
def sinks(pulseaudio: NullSinks, monkeypatch: pytest.MonkeyPatch) -> NullSinks:
    """The daemon, as this process's audio."""
    for name, value in pulseaudio.environment.items():
        monkeypatch.setenv(name, value)
    return pulseaudio
