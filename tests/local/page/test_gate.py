"""Who may see the page."""

from __future__ import annotations

import pytest

from realtime_sync.local.page.gate import stranger

HERE = "127.0.0.1:8000"
OWN = {"sec-fetch-site": "same-origin", "sec-fetch-mode": "cors", "sec-fetch-dest": "empty"}
TYPED = {"sec-fetch-site": "none", "sec-fetch-mode": "navigate", "sec-fetch-dest": "document"}
LINK = {"sec-fetch-site": "cross-site", "sec-fetch-mode": "navigate", "sec-fetch-dest": "document"}
FRAME = {**LINK, "sec-fetch-dest": "iframe"}
OTHERS = {"sec-fetch-site": "cross-site", "sec-fetch-mode": "no-cors", "sec-fetch-dest": "script"}
NEIGHBOUR = {**OWN, "sec-fetch-site": "same-site"}


@pytest.mark.parametrize(
    ("host", "bound"),
    [
        (HERE, "127.0.0.1"),
        ("localhost:8000", "127.0.0.1"),
        ("LOCALHOST.", "127.0.0.1"),
        ("[::1]:8000", "::1"),
        ("192.168.1.7:8000", "0.0.0.0"),
        ("box.lan:8000", "box.lan"),
    ],
)
def test_names_of_this_machine(host: str, bound: str) -> None:
    """Addresses, localhost, and the name that the server was told to listen at are let in."""
    assert stranger({"host": host, **OWN}, bound, visit=False) is None


@pytest.mark.parametrize(
    "host",
    [
        "evil.example:8000",
        "",
        "127.0.0.1.evil.example",
        "localhost.evil.example",
        "[::1",
        "box.lan",
    ],
)
def test_names_of_others(host: str) -> None:
    """A name that anybody can have point here is not: DNS rebinding."""
    refused = stranger({"host": host, **OWN}, "", visit=True)
    if host == "[::1":  # a bracket that is missing makes no name of it
        assert refused is None
    else:
        assert refused is not None
        assert refused.status == 403


@pytest.mark.parametrize("visit", [True, False])
@pytest.mark.parametrize(
    "headers",
    [
        {"origin": "https://evil.example"},
        {"origin": "null"},
        {"origin": "http://127.0.0.1:3000"},
        {"origin": "https://127.0.0.1:8000"},
        OTHERS,
        NEIGHBOUR,
        FRAME,
    ],
)
def test_other_sites(headers: dict[str, str], visit: bool) -> None:
    """No other site may ask, in whatever way, nor another server of this machine."""
    refused = stranger({"host": HERE, **headers}, "127.0.0.1", visit=visit)
    assert refused is not None
    assert b"not for other sites" in refused.body


@pytest.mark.parametrize("headers", [{}, OWN, TYPED, {"origin": f"http://{HERE}", **OWN}])
def test_the_page_itself(headers: dict[str, str]) -> None:
    """The page, a person who types the address, and a program without a browser are let in."""
    for visit in (True, False):
        assert stranger({"host": HERE, **headers}, "127.0.0.1", visit=visit) is None


def test_a_link_from_elsewhere() -> None:
    """A link may lead to the page, but not into its stream."""
    assert stranger({"host": HERE, **LINK}, "127.0.0.1", visit=True) is None
    assert stranger({"host": HERE, **LINK}, "127.0.0.1", visit=False) is not None
