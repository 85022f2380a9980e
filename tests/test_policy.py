from __future__ import annotations

import pickle
from typing import Any

import pytest

from realtime_sync import ReconnectPolicy
from realtime_sync.errors import ConfigurationError


def test_defaults() -> None:
    """The defaults are those of the contract."""
    policy = ReconnectPolicy()
    assert policy.delays == (0.1, 0.5, 1, 2, 4, 8)
    assert policy.jitter == 0.25
    assert policy.renew_before == 60
    assert policy.renew_every is None


def test_value() -> None:
    """A policy is a frozen value and pickles."""
    policy = ReconnectPolicy(delays=[1, 2], renew_before=None)  # type: ignore[arg-type]
    assert policy == ReconnectPolicy(delays=(1, 2), renew_before=None)
    assert pickle.loads(pickle.dumps(policy)) == policy
    with pytest.raises(AttributeError):
        policy.jitter = 1  # type: ignore[misc]


@pytest.mark.parametrize(
    "fields",
    [
        {"delays": (-1,)},
        {"delays": ("1",)},
        {"delays": (float("nan"),)},
        {"delays": (True,)},
        {"jitter": 2},
        {"jitter": None},
        {"renew_before": -1},
        {"renew_every": float("inf")},
    ],
)
def test_bad_fields(fields: dict[str, Any]) -> None:
    """Delays are seconds from 0 on, the jitter is a share."""
    with pytest.raises(ConfigurationError):
        ReconnectPolicy(**fields)
