"""How sure a model was of what it wrote down. Numbers only; knows no event."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

__all__ = ["confidence_of", "logprobs_of"]


def logprobs_of(tokens: Iterable[Any] | None) -> tuple[float, ...]:
    """The log-probabilities of a server's tokens; those that have none, or no number, left out."""
    found: Iterator[Any] = (
        token.get("logprob") if isinstance(token, dict) else getattr(token, "logprob", None)
        for token in tokens or ()
    )
    # no probability is above 1, whatever a server says; and sums of these cannot overflow upwards
    return tuple(min(0.0, value) for value in found if type(value) in (float, int))


def confidence_of(logprobs: Sequence[float]) -> float | None:
    """exp of their mean: the geometric mean of the probabilities, 0 to 1; None of nothing."""
    return math.exp(sum(logprobs) / len(logprobs)) if logprobs else None
