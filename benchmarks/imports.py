"""From nothing to a session, and to its first typed event: fresh processes, the whole of each.

Theirs is the `openai` package, as its README has it. The interpreter's own start counts on both
sides, which flatters neither.
"""

from __future__ import annotations

import subprocess
import sys
import time

from .race import Row, Taken, race

__all__ = ["rows", "session_made"]

_SESSION = {
    "ours": "from realtime_sync import RealtimeSession; RealtimeSession(api_key='x')",
    "theirs": "import openai; openai.OpenAI(api_key='x').realtime",
}
_EVENT = '{"type":"response.output_text.delta","event_id":"e","response_id":"r","delta":"x"}'
_FIRST_EVENT = {
    "ours": f"{_SESSION['ours']}; from realtime_sync.events import parse; parse({_EVENT!r})",
    "theirs": (
        f"{_SESSION['theirs']}; from openai.resources.realtime.realtime import RealtimeConnection;"
        f" RealtimeConnection(None).parse_event({_EVENT!r})"
    ),
}


def session_made(rounds: int) -> list[Row]:
    """Wall and processor time from nothing to a session."""
    return _race("session made", _SESSION, rounds)


def rows(rounds: int) -> list[Row]:
    """The same, and on to the first event."""
    return [*session_made(rounds), *_race("first event parsed", _FIRST_EVENT, rounds)]


def _race(name: str, programs: dict[str, str], rounds: int) -> list[Row]:
    return race(name, lambda: _run(programs["ours"]), lambda: _run(programs["theirs"]), rounds)


def _run(program: str) -> Taken:
    """What a process takes that runs a program."""
    code = f"{program}\nimport time; print(time.process_time())"
    began = time.perf_counter()
    # -I: the installed package, compiled as installed; no PYTHON* variable has a say
    ran = subprocess.run(
        [sys.executable, "-I", "-c", code], capture_output=True, text=True, check=True, timeout=120
    )
    return {
        "ms wall": (time.perf_counter() - began) * 1000,
        "ms CPU": float(ran.stdout) * 1000,
    }
