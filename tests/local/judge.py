"""The JSON Schemas of ../shared/protocol as judges, where the folder stands."""

from __future__ import annotations

import functools
import importlib
import json
import pathlib
from typing import Any

import pytest

Wire = dict[str, Any]

PROTOCOL = pathlib.Path(__file__).resolve().parents[3] / "shared" / "protocol"


def need_schemas() -> None:
    """Skips the test where the schemas, or the package that reads them, are missing."""
    if not PROTOCOL.is_dir():
        pytest.skip(f"{PROTOCOL} is not here: nothing to judge what the server sends by")
    pytest.importorskip("jsonschema", reason="jsonschema is not installed: it judges the events")


@functools.cache
def _file(name: str) -> dict[str, Any]:
    schemas = json.loads((PROTOCOL / f"{name}.json").read_text(encoding="utf-8"))
    assert isinstance(schemas, dict)
    return schemas


@functools.cache
def _validator(file: str, name: str) -> Any:
    jsonschema = importlib.import_module("jsonschema")
    return jsonschema.Draft202012Validator(_file(file)[name])


def judged(file: str, name: str, value: Any) -> None:
    """Fails unless the value fits a schema; says where it does not."""
    found = [f"{e.json_path}: {e.message[:200]}" for e in _validator(file, name).iter_errors(value)]
    assert not found, (file, name, found, value)


def judged_events(file: str, events: list[Wire]) -> None:
    """Fails unless each event fits the schema of its type."""
    for event in events:
        assert event["type"] in _file(file), event["type"]
        judged(file, event["type"], event)
