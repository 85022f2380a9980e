"""Each call is decided once, by whoever comes first."""

from __future__ import annotations

import threading

from realtime_sync.tools.approval import Approvals, Decision


def test_decided_once() -> None:
    """The first decision counts; who was never asked about is not decided."""
    approvals, told = Approvals(), []
    assert not approvals.await_decision("c1", "pay", told.append)
    assert approvals.decide("c1", Decision(False, "no"))
    assert not approvals.decide("c1", Decision(True))
    assert not approvals.decide("c2", Decision(True))
    assert told == [Decision(False, "no")]


def test_always() -> None:
    """Of a kind: those that wait, and those to come; a rejection is never for always."""
    approvals, told = Approvals(), []
    for key, kind in (("c1", "pay"), ("c2", "pay"), ("c3", "leave")):
        approvals.await_decision(key, kind, lambda d, key=key: told.append((key, d.approved)))
    assert approvals.decide("c3", Decision(False), always=True)
    assert approvals.decide("c2", Decision(True), always=True)
    assert sorted(told) == [("c1", True), ("c2", True), ("c3", False)]
    assert approvals.await_decision("c4", "pay", lambda d: told.append(("c4", d.approved)))
    assert told[-1] == ("c4", True)
    assert not approvals.await_decision("c5", "leave", lambda _: None)
    approvals.clear()
    assert not approvals.decide("c5", Decision(True))


def test_many_deciders() -> None:
    """Of twenty at once one decides."""
    approvals, told, won = Approvals(), [], []
    approvals.await_decision("c", "k", told.append)
    barrier = threading.Barrier(20)

    def decide() -> None:
        barrier.wait(15)
        if approvals.decide("c", Decision(True)):
            won.append(1)

    threads = [threading.Thread(target=decide) for _ in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(5)
    assert (len(told), len(won)) == (1, 1)
