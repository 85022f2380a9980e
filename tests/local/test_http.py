"""HTTP/1.1 without a socket."""

from __future__ import annotations

import json

import pytest

from realtime_sync.local.http import Exchange, Reply, Request, failure

POST = b"POST /v1/x?y=1 HTTP/1.1\r\nHost: h\r\nContent-Type: Application/JSON; a=b\r\n"
LENGTH = POST + b"Content-Length: 5\r\n\r\nhello"
CHUNKED = POST + b"Transfer-Encoding: chunked\r\n\r\n3\r\nhel\r\n02;ext=1\r\nlo\r\n0\r\n\r\n"


@pytest.mark.parametrize("wire", [LENGTH, CHUNKED])
@pytest.mark.parametrize("step", [1, 2, 7, 1000])
def test_a_request_in_pieces(wire: bytes, step: int) -> None:
    """However the bytes come, the request is the same, and it is there as soon as it is whole."""
    exchange = Exchange()
    got: object = None
    for start in range(0, len(wire), step):
        assert got is None or start >= len(wire) - 2  # a chunked one ends before its last newline
        got = got or exchange.received(wire[start : start + step])
    assert isinstance(got, Request)
    assert (got.method, got.target, got.body) == ("POST", "/v1/x?y=1", b"hello")
    assert got.headers["host"] == "h"
    assert got.content_type == "application/json"


def test_without_a_body() -> None:
    """A request without a length has no body."""
    got = Exchange().received(b"POST / HTTP/1.1\r\n\r\n")
    assert isinstance(got, Request)
    assert got.body == b""


def test_continue() -> None:
    """A client that waits is to be told to go on."""
    exchange = Exchange()
    head = POST + b"Expect: 100-continue\r\nContent-Length: 5\r\n\r\n"
    assert exchange.received(head) is None
    assert exchange.proceed
    assert isinstance(exchange.received(b"hello"), Request)


@pytest.mark.parametrize(
    ("wire", "status"),
    [
        (b"NONSENSE\r\n\r\n", 400),
        (b"POST / SIP/2.0\r\n\r\n", 400),
        (POST + b"Content-Length: -1\r\n\r\n", 400),
        (POST + b"Content-Length: 1_0\r\n\r\n", 400),
        (POST + b"Content-Length: 5\r\nContent-Length: 6\r\n\r\n", 400),
        (POST + b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n", 400),
        (POST + b"Transfer-Encoding: gzip\r\n\r\n", 400),
        (POST + b"Transfer-Encoding: chunked\r\n\r\n-1\r\n", 400),
        (POST + b"Transfer-Encoding: chunked\r\n\r\n1\r\nxyz\r\n", 400),
        (POST + b"Transfer-Encoding: chunked\r\n\r\n" + b"0" * 100, 400),
        (POST + b"Authorization: a\r\nAuthorization: b\r\n\r\n", 400),
        (POST + b"Content-Length: 99999999999999999999\r\n\r\n", 413),
        (POST + b"Transfer-Encoding: chunked\r\n\r\nffffffff\r\n", 413),
        (POST + b"X: " + b"x" * 40_000, 431),
        (POST + b"X: x\r\n" * 200 + b"\r\n", 431),
    ],
)
def test_wrong_requests(wire: bytes, status: int) -> None:
    """What is not HTTP, ambiguous or too large is answered, not read on."""
    got = Exchange().received(wire)
    assert isinstance(got, Reply)
    assert got.status == status
    assert json.loads(got.body)["error"]["type"] == "invalid_request_error"


def test_reply() -> None:
    """A reply has its length and ends the connection."""
    head, _, body = failure(404, "no", "x", headers=(("A", "b"),)).wire().partition(b"\r\n\r\n")
    lines = head.decode().split("\r\n")
    assert lines[0] == "HTTP/1.1 404 Not Found"
    assert f"Content-Length: {len(body)}" in lines
    assert "Connection: close" in lines
    assert "A: b" in lines
    assert json.loads(body)["error"] == {
        "message": "no",
        "type": "invalid_request_error",
        "param": None,
        "code": "x",
    }
    assert b"Content-Type" not in Reply(200).wire()
