"""Tools that workers find by their dotted path."""

from __future__ import annotations


def price(drink: str) -> float:
    """What a drink costs, in euros."""
    return {"tea": 2.0, "coffee": 2.5}[drink]
