"""The shape of the public API: names and signatures, as they were agreed on.

A difference is a change of the contract. When it is meant: `python tests/test_exports.py` writes
`exports.txt` anew, and the difference is part of the commit.
"""

from __future__ import annotations

import importlib
import inspect
import pkgutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import realtime_sync
from realtime_sync import errors, text
from realtime_sync.events.value import Value

SNAPSHOT = Path(__file__).with_name("exports.txt")


def lines() -> Iterator[str]:
    """One line for each public name, and for each public member of a class."""
    rooms: list[Any] = [realtime_sync, errors, text]
    for module in rooms:
        home, names = module.__name__.removeprefix("realtime_sync").lstrip("."), module.__all__
        home = f"{home}." if home else ""
        for name in names:
            value = getattr(module, name)
            if not inspect.isclass(value):
                yield f"{home}{name}{signature(value)}"
                continue
            bases = ", ".join(base.__name__ for base in value.__bases__)
            yield f"{home}{name}" + (f" is {bases}" if module is errors else "") + signature(value)
            for member in members(value):
                yield f"{home}{name}.{member}"
    session = realtime_sync.RealtimeSession(endpoint=realtime_sync.Compatible("wss://h"))
    for name in ("conversation", "response", "input_audio_buffer", "tools"):
        for member in members(type(getattr(session, name))):
            yield f"RealtimeSession.{name}.{member}"


def members(cls: type) -> Iterator[str]:
    """Public methods and properties of ours; pydantic's are pydantic's affair."""
    for name in sorted(dir(cls)):
        owner = next((base for base in cls.__mro__ if name in vars(base)), object)
        if name.startswith(("_", "model_")) or not owner.__module__.startswith("realtime_sync"):
            continue
        value = inspect.getattr_static(cls, name)
        if isinstance(value, (property, staticmethod, classmethod)) or inspect.isfunction(value):
            yield name + signature(getattr(cls, name))


def signature(value: Any) -> str:
    """Names, kinds and defaults of parameters; annotations are mypy's affair."""
    if isinstance(value, property) or not callable(value):
        return ""
    if inspect.isclass(value) and issubclass(value, Value):
        return "(fields of the wire)"  # pydantic's signature depends on whether it is built yet
    try:
        found = inspect.signature(value)
    except (TypeError, ValueError):
        return ""
    bare = [
        one.replace(annotation=inspect.Parameter.empty)
        for one in found.parameters.values()
        if one.name != "self"
    ]
    return str(found.replace(parameters=bare, return_annotation=inspect.Signature.empty))


def test_shape() -> None:
    """Public names and signatures are those of the snapshot."""
    assert list(lines()) == SNAPSHOT.read_text(encoding="utf-8").splitlines()


def test_everything_listed_is_there() -> None:
    """Each name of `__all__` can be had, and dir() shows it."""
    for name in realtime_sync.__all__:
        assert getattr(realtime_sync, name) is not None
        assert name in dir(realtime_sync)


def test_no_name_is_a_files_too() -> None:
    """Whoever imports a file of ours has it put in its folder's place for such a name, for all."""
    for room in pkgutil.walk_packages(realtime_sync.__path__, "realtime_sync."):
        if room.ispkg:
            module = importlib.import_module(room.name)
            files = {one.name for one in pkgutil.iter_modules(module.__path__)}
            shared = files & set(getattr(module, "__all__", ()))
            assert [one for one in shared if not inspect.ismodule(getattr(module, one))] == []


if __name__ == "__main__":
    SNAPSHOT.write_text("\n".join(lines()) + "\n", encoding="utf-8")
