"""The JSON Schemas of tests/data as judges."""

from __future__ import annotations

import functools
from typing import Any

import jsonschema
from schemas import load

Wire = dict[str, Any]


@functools.cache
def _validator(file: str, name: str) -> Any:
    return jsonschema.Draft202012Validator(load(f"{file}.json")[name])


def judged(file: str, name: str, value: Any) -> None:
    """Fails unless the value fits a schema; says where it does not."""
    found = [f"{e.json_path}: {e.message[:200]}" for e in _validator(file, name).iter_errors(value)]
    assert not found, (file, name, found, value)


def judged_events(file: str, events: list[Wire]) -> None:
    """Fails unless each event fits the schema of its type."""
    for event in events:
        assert event["type"] in load(f"{file}.json"), event["type"]
        judged(file, event["type"], event)
