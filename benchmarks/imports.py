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
#: One with models in models, which are built when the first of them comes.
_EVENT = (
    '{"type":"response.done","event_id":"e","response":{"id":"r","status":"completed","output":'
    '[{"id":"i","type":"message","role":"assistant","content":[{"type":"output_text","text":"x"}]}]}}'
)
_PARSERS = {
    "ours": "from realtime_sync.events import parse",
    "theirs": (
        "from openai.resources.realtime.realtime import RealtimeConnection;"
        " parse = RealtimeConnection(None).parse_event"
    ),
}
#: What a session's first event takes longer than its second.
_SECOND_EVENT = {
    who: f"""
from time import perf_counter
{made}
began = perf_counter()
{_PARSERS[who]}
parse({_EVENT!r})
first = perf_counter()
parse({_EVENT!r})
print((first - began - (perf_counter() - first)) * 1000)
"""
    for who, made in _SESSION.items()
}
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
    later = [
        (_later(_SECOND_EVENT["ours"]), _later(_SECOND_EVENT["theirs"])) for _ in range(rounds)
    ]
    return [
        *session_made(rounds),
        *_race("first event parsed", _FIRST_EVENT, rounds),
        Row("first event beside second", "ms wall", *map(tuple, zip(*later, strict=True))),
    ]


def _race(name: str, programs: dict[str, str], rounds: int) -> list[Row]:
    return race(name, lambda: _run(programs["ours"]), lambda: _run(programs["theirs"]), rounds)


def _later(program: str) -> float:
    ran = subprocess.run(
        [sys.executable, "-I", "-c", program],
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
    )
    return float(ran.stdout)


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
