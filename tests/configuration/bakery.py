"""What the files of these tests name."""

from __future__ import annotations

from typing import Any


def price_of(bread: str) -> float:
    """What a bread costs, in euros.

    Args:
        bread: E.g. "loaf".
    """
    return {"loaf": 4.2}[bread]


def may_pay(event: Any) -> bool:
    """Approves everything."""
    return event is not None


NUMBER = 7


def __getattr__(name: str) -> Any:
    if name == "sour":
        raise RuntimeError("no dough")
    raise AttributeError(name)
