"""Keys in whatever form a server may repeat them."""

from __future__ import annotations

import json
import re
from urllib.parse import quote, quote_plus

import pytest
from hypothesis import given
from hypothesis import strategies as st

from realtime_sync.runtime.secrets import Secrets

KEYS = st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=6, max_size=20)


def escaped(text: str) -> str:
    """As .NET and PHP write a text within JSON: with numbers, and a backslash before a slash."""
    numbered = re.sub(r"[&+<>']", lambda sign: rf"\u{ord(sign[0]):04X}", json.dumps(text)[1:-1])
    return numbered.replace("/", r"\/")


@pytest.mark.parametrize(
    "form",
    [
        str,
        lambda key: quote(key, safe=""),
        quote,
        quote_plus,
        lambda key: re.sub("%..", lambda code: code[0].lower(), quote(key, safe="")),
        lambda key: json.dumps(key)[1:-1],
        lambda key: json.dumps(json.dumps(key))[3:-3],
        escaped,
    ],
)
@given(key=KEYS)
def test_every_form(form: object, key: str) -> None:
    """No form of a key stays, in text nor in bytes, and its clue is in each."""
    secrets, told = Secrets([key]), form(key)  # type: ignore[operator]  # a function
    assert secrets.redact(f"{{{told}}}") == "{…}"
    assert secrets.hidden(b"[" + told.encode() + b"]") == "[…]".encode()
    assert any(clue in told.encode() for clue in secrets.clues)


def test_what_is_looked_for() -> None:
    """A key that is part of another secret is looked for once; what is short is none."""
    secrets = Secrets(["Bearer sk-123456", "sk-123456", "short", "other+key"])
    assert sorted(secrets.clues) == [b"other", b"sk-123456"]
    assert secrets.redact("Bearer sk-123456, sk-123456, short") == "…, …, short"
    assert repr(secrets) == "<Secrets, 3>"
    assert Secrets().hidden(b"all of it") == b"all of it"
    assert Secrets().clues == ()


def test_keys_of_other_letters() -> None:
    """What a query had percent-encoded is found as letters, and the other way round."""
    secrets = Secrets(["ключик"])
    for told in ("ключик", quote("ключик"), json.dumps("ключик")[1:-1]):
        assert secrets.redact(told) == "…"
        assert secrets.hidden(told.encode()) == "…".encode()
