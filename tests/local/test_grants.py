"""Client secrets."""

from __future__ import annotations

import itertools

from realtime_sync.local.grants import Grant, Grants


def made() -> Grants:
    count = itertools.count()
    return Grants(lambda: str(next(count)))


def test_a_secret_lives_until_its_end() -> None:
    """A secret is found as often as wanted, until it expires."""
    grants = made()
    grant = Grant("realtime", "m", {}, ends=10.0)
    value = grants.issue(grant)
    assert value.startswith("ek_")
    assert grants.find(value, 9.9) is grants.find(value, 9.9) is grant
    assert grants.find(value, 10.0) is None
    assert repr(grants) == "<Grants, 0 secrets>"
    assert grants.find("ek_other", 0.0) is None


def test_the_number_is_bounded() -> None:
    """Beyond ten thousand the oldest goes."""
    grants = made()
    values = [grants.issue(Grant("realtime", "m", {}, ends=1.0)) for _ in range(10_001)]
    assert grants.find(values[0], 0.0) is None
    assert grants.find(values[-1], 0.0) is not None
