"""Who is let in, and to what."""

from __future__ import annotations

from typing import Any

import pytest

from realtime_sync.local.grants import Grant, Grants
from realtime_sync.local.reception import Dismissal, Reception, Rejection, Visit

KEY = {"authorization": "Bearer k"}
BETA = {**KEY, "openai-beta": "assistants=v2, realtime=v1"}
REALTIME: dict[str, Any] = {"type": "realtime", "instructions": "x"}


@pytest.fixture
def grants() -> Grants:
    made = Grants(iter(["r", "t", "i"]).__next__)
    made.issue(Grant("realtime", "m", REALTIME, 10.0))
    made.issue(Grant("transcription", "", {"type": "transcription"}, 10.0))
    made.issue(Grant("translation", "mt", {"model": "mt"}, 10.0))
    return made


def bearer(key: str) -> dict[str, str]:
    return {"authorization": f"Bearer {key}"}


@pytest.mark.parametrize(
    ("target", "headers", "visit"),
    [
        ("/v1/realtime?model=m", KEY, Visit("realtime", "m")),
        ("/realtime/?model=m", KEY, Visit("realtime", "m")),
        ("/v1/realtime?model=m", {"api-key": "k"}, Visit("realtime", "m")),
        ("/v1/realtime?intent=transcription", KEY, Visit("transcription")),
        ("/v1/realtime?call_id=rtc_1", KEY, Visit("sideband", call_id="rtc_1")),
        ("/v1/realtime/translations?model=m", KEY, Visit("translation", "m")),
        ("/openai/v1/realtime?model=d", KEY, Visit("realtime", "d")),
        ("/openai/v1/realtime?model=d&api-key=k", {}, Visit("realtime", "d")),
        ("/openai/realtime?api-version=1&deployment=d", KEY, Visit("realtime", "d", "beta")),
        (
            "/openai/realtime?api-version=1&intent=transcription",
            BETA,
            Visit("transcription", "", "beta"),
        ),
        ("/v1/realtime", bearer("ek_r"), Visit("realtime", "m", preset=REALTIME)),
        ("/v1/realtime?model=n", bearer("ek_r"), Visit("realtime", "n", preset=REALTIME)),
        (
            "/v1/realtime",
            bearer("ek_t"),
            Visit("transcription", preset={"type": "transcription"}),
        ),
        (
            "/v1/realtime/translations",
            bearer("ek_i"),
            Visit("translation", "mt", preset={"model": "mt"}),
        ),
    ],
)
def test_let_in(grants: Grants, target: str, headers: dict[str, str], visit: Visit) -> None:
    """Path, query and key say what a connection is for."""
    assert Reception(None, grants).visit(target, headers, 0.0) == visit


@pytest.mark.parametrize(
    ("target", "headers", "status", "code"),
    [
        ("/v1/realtime?model=m", {}, 401, None),
        ("/v1/realtime?model=m&api-key=k", {}, 401, None),
        ("/v1/realtime", KEY, 400, "missing_model"),
        ("/v1/realtime?intent=transcription&model=m", KEY, 400, "invalid_parameter"),
        ("/v1/realtime/translations", KEY, 400, "missing_model"),
        ("/v1/realtime/other?model=m", KEY, 404, "unknown_url"),
        ("/v1/models", KEY, 404, "unknown_url"),
        ("//[", KEY, 404, "unknown_url"),
        ("http://h/v1/realtime?model=m", KEY, 404, "unknown_url"),
        ("/openai/v1/realtime?model=d&api-version=1", KEY, 401, "401"),
        ("/openai/realtime?deployment=d", KEY, 404, "404"),
        ("/openai/realtime?api-version=1", KEY, 400, "missing_model"),
        ("/v1/realtime?model=m", bearer("ek_unknown"), 401, "invalid_api_key"),
        ("/v1/realtime?call_id=rtc_1", bearer("ek_r"), 404, "call_id_not_found"),
        ("/v1/realtime?model=m", bearer("ek_i"), 401, "invalid_api_key"),
        ("/v1/realtime/translations?model=m", bearer("ek_r"), 401, "invalid_api_key"),
        ("/v1/realtime?intent=transcription", bearer("ek_r"), 401, "invalid_api_key"),
        ("/v1/realtime?model=m", {**KEY, "origin": "https://x"}, 403, None),
    ],
)
def test_rejected(
    grants: Grants, target: str, headers: dict[str, str], status: int, code: str | None
) -> None:
    """What is wrong is answered over HTTP."""
    rejection = Reception(None, grants).visit(target, headers, 0.0)
    assert isinstance(rejection, Rejection)
    assert (rejection.status, rejection.code) == (status, code)


def test_a_secret_expires(grants: Grants) -> None:
    """A client secret is a key until it expires, also beside a fixed key."""
    reception = Reception("right", grants)
    assert isinstance(reception.visit("/v1/realtime", bearer("ek_r"), 9.0), Visit)
    assert isinstance(reception.visit("/v1/realtime", bearer("ek_r"), 10.0), Rejection)
    assert isinstance(reception.visit("/v1/realtime?model=m", bearer("right"), 0.0), Visit)
    assert isinstance(reception.visit("/v1/realtime?model=m", KEY, 0.0), Rejection)


def test_a_key_that_looks_like_a_secret(grants: Grants) -> None:
    """api_key may begin with ek_."""
    reception = Reception("ek_fixed", grants)
    assert isinstance(reception.visit("/v1/realtime?model=m", bearer("ek_fixed"), 0.0), Visit)


def test_the_beta_switch_off(grants: Grants) -> None:
    """A GA server lets the beta's header in only to say that it is over; REST answers 400."""
    reception = Reception(None, grants)
    for target in ("/v1/realtime?model=m", "/openai/v1/realtime?model=m"):
        dismissal = reception.visit(target, BETA, 0.0)
        assert isinstance(dismissal, Dismissal)
        assert (dismissal.code, dismissal.close) == ("beta_api_shape_disabled", 4000)
        assert dismissal.reason == "invalid_request_error.beta_api_shape_disabled"
    caller = reception.caller("/v1/realtime/calls", BETA, 0.0)
    assert isinstance(caller, Rejection)
    assert (caller.status, caller.code) == (400, "beta_api_shape_disabled")


def test_a_beta_server(grants: Grants) -> None:
    """A beta server wants the header, unless it is told otherwise; Azure's GA path stays GA."""
    reception = Reception(None, grants, dialect="beta")
    target = "/v1/realtime?model=m"
    assert reception.visit(target, BETA, 0.0) == Visit("realtime", "m", "beta")
    dismissal = reception.visit(target, KEY, 0.0)
    assert isinstance(dismissal, Dismissal)
    assert dismissal.code == "missing_beta_header"
    assert reception.visit("/openai" + target, KEY, 0.0) == Visit("realtime", "m", "ga")
    lax = Reception(None, grants, dialect="beta", needs_beta_header=False)
    assert lax.visit(target, KEY, 0.0) == Visit("realtime", "m", "beta")


def test_callers(grants: Grants) -> None:
    """REST calls come with the same keys, on the same paths."""
    reception = Reception(None, grants)
    assert reception.caller("/v1/realtime/calls/rtc_1/accept?x=1", KEY, 0.0) == (
        "/calls/rtc_1/accept",
        None,
    )
    path, grant = reception.caller("/openai/v1/realtime/calls", bearer("ek_r"), 0.0)  # type: ignore[misc]
    assert (path, grant.kind) == ("/calls", "realtime")
    for target, headers, status in (
        ("/v1/realtime/calls", {}, 401),
        ("/v1/realtime/calls", {**KEY, "origin": "x"}, 403),
        ("/v1/chat", KEY, 404),
        ("/openai/v1/realtime/calls?api-version=1", KEY, 401),
    ):
        refused = reception.caller(target, headers, 0.0)
        assert isinstance(refused, Rejection)
        assert refused.status == status


def test_nothing_shows_a_secret(grants: Grants) -> None:
    """Neither the visit nor the grant shows what a secret was made with."""
    visit = Reception(None, grants).visit("/v1/realtime", bearer("ek_r"), 0.0)
    assert "instructions" not in repr(visit) + repr(grants.find("ek_r", 0.0))
