"""Every flow of the protocol, as data: what is done, what comes, what is wanted, what is known.

`scenarios/*.json`: title -> {"given": arguments of `Play`, "phases": [phase, ...]}. A phase has
any of "do" (wishes), "receive" (events, or lines that `wire.Server` spells out), "effects"
(all of them, but timings) and "state" (what `play` can show). `python -m core.test_scenarios`
in `tests/` prints what each phase does.
"""

from __future__ import annotations

import json
import pathlib
from collections.abc import Iterator
from typing import Any

import pytest

from .play import Play

FOLDER = pathlib.Path(__file__).with_name("scenarios")


def scenarios() -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Each as (file, title, scenario)."""
    for path in sorted(FOLDER.glob("*.json")):
        for title, scenario in json.loads(path.read_text(encoding="utf-8")).items():
            yield path.name, title, scenario


def run(phase: dict[str, Any], play: Play) -> list[str]:
    """What one phase makes the core want."""
    effects = [effect for wish in phase.get("do", ()) for effect in play.wish(wish)]
    return effects + [effect for said in phase.get("receive", ()) for effect in play.receive(said)]


ALL = [pytest.param(*s, id=f"{s[0]}: {s[1]}") for s in scenarios()]


@pytest.mark.parametrize(("file", "title", "scenario"), ALL)
def test_scenario(
    file: str, title: str, scenario: dict[str, Any], caplog: pytest.LogCaptureFixture
) -> None:
    """The core wants and knows what the scenario says, and leaves nobody waiting at the end."""
    play = Play(**scenario.get("given", {}))
    for number, phase in enumerate(scenario["phases"], 1):
        where = f"{file}, {title!r}, phase {number}: {phase.get('why', '')}"
        unknown = set(phase) - {"why", "do", "receive", "effects", "state"}
        assert not unknown, f"{where}: a phase has no {unknown}"
        assert run(phase, play) == phase.get("effects", []), where
        for what, expected in phase.get("state", {}).items():
            assert play.shown(what) == expected, f"{where}: {what}"
    play.wish({"lost": "the end of the scenario"})
    play.wish({"lost": "told twice"})
    assert set(play.answers.values()) == {1}, f"{file}, {title!r}: answers {play.answers}"
    assert not [record for record in caplog.records if record.levelname == "ERROR"]


def main() -> None:
    """Print what each scenario does."""
    for file, title, scenario in scenarios():
        play = Play(**scenario.get("given", {}))
        print(f"\n{file}: {title}")  # noqa: T201
        for number, phase in enumerate(scenario["phases"], 1):
            effects = run(phase, play)
            right = "" if effects == phase.get("effects", []) else "   <<<"
            print(f"  {number} {json.dumps(effects)}{right}")  # noqa: T201
            for what, expected in phase.get("state", {}).items():
                if play.shown(what) != expected:
                    print(f"    {what}: {json.dumps(play.shown(what))}")  # noqa: T201
        print(f"  answers {play.answers}")  # noqa: T201


if __name__ == "__main__":
    main()
