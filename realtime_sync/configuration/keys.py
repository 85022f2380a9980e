"""Keys do not belong in files: those that stand in one are found, and none is ever shown."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from typing import Any, Final
from urllib.parse import parse_qsl, urlsplit

from ..tables import Faults

__all__ = ["SECRET_NAME", "found", "is_key", "variable"]

#: Names of headers, and of parts of a query, whose values are keys.
SECRET_NAME: Final = re.compile(
    r"auth|key|token|secret|cookie|passw|credential|signature|^sig$", re.IGNORECASE
)
#: Keys of a table that hold one, or would.
_HOLD: Final = frozenset(
    {"api_key", "authorization", "client_secret", "password", "secret", "token", "access_token"}
)
#: What keys look like, wherever they stand; prose has no digits there. Source: wire.md (i).
_LOOK: Final = re.compile(
    r"(?<![\w-])[se]k[-_](?=[\w-]*\d)[\w-]{12,}|\bBearer\s+(?=\S*\d)\S{8,}", re.ASCII
)
_VARIABLE: Final = re.compile(r"[A-Za-z_]\w*", re.ASCII)
#: A name that is surely no key, and may be shown.
_SHOWN: Final = re.compile(r"[A-Z][A-Z0-9_]{0,63}", re.ASCII)
_TABLES: Final = ("headers", "query")
#: Keys of a table that hold a URL -> where else a key in its query would stand.
_URLS: Final = {
    "base_url": 'query_env = {"NAME-IN-THE-URL" = "NAME"}, in an endpoint',
    "endpoint": 'query_env = {"NAME-IN-THE-URL" = "NAME"}',
    "server_url": 'headers_env = {"Authorization" = "NAME"}',
}
#: Where a tool of a stage stands.
_STAGES_TOOL: Final = re.compile(r"(^|\.)stages\..+\.tools\[\d+\]")
_MOVE: Final = (
    "put the tool into tools of the configuration, where authorization_env and headers_env name "
    "the variables, and its server_label here"
)
_STANDS: Final = "this is a key, which does not belong in a file; take it out, and revoke it"


def is_key(text: Any) -> bool:
    """Whether a key stands in it, by its look."""
    return isinstance(text, str) and _LOOK.search(text) is not None


def found(value: Any, path: str) -> Iterator[tuple[str, str]]:
    """Each key of an API that stands in a table, at whatever depth: where, and the cure.

    Args:
        value: A table, a list, or what stands in one.
        path: Its own place; "" for the whole file.
    """
    if isinstance(value, Mapping):
        for name, inner in value.items():
            where = f"{path}.{name}" if path else str(name)
            if is_key(name):  # it is not shown
                yield f"{path}.…" if path else "…", _STANDS
                continue
            yield from _held(str(name), inner, where, path) or found(inner, where)
    elif isinstance(value, (list, tuple)):
        for number, inner in enumerate(value):
            yield from found(inner, f"{path}[{number}]")
    elif is_key(value):
        yield path, _STANDS


def _held(name: str, value: Any, where: str, path: str) -> list[tuple[str, str]]:
    """The fault where a key's own place has one."""
    if _STAGES_TOOL.search(path) and name in ("authorization_env", "headers_env"):
        return [(where, f"a stage's own tools have no {name}; {_MOVE}")]
    if not isinstance(value, str) and name != "api_key":
        return []
    table = path.rpartition(".")[2]
    if table in _TABLES and SECRET_NAME.search(name):
        cure = f'beside {table}: {table}_env = {{"{name}" = "NAME"}}'
    elif name in _HOLD:
        cure = f'{name}_env = "{"OPENAI_API_KEY" if name == "api_key" else "NAME"}"'
    elif name == "proxy" and _has_password(str(value)):
        cure = 'proxy_env = "NAME"'
    elif name in _URLS and _has_secret_query(value):
        cure = _URLS[name]
    else:
        return []
    if _STAGES_TOOL.search(path):
        return [(where, f"a key does not belong in a file; {_MOVE}")]
    said = "a key does not belong in a file; name the environment variable that holds it"
    return [(where, f"{said}: {cure}")]


def _has_password(url: str) -> bool:
    try:
        return urlsplit(url).password is not None
    except ValueError:
        return "@" in url


def _has_secret_query(url: str) -> bool:
    try:
        return any(SECRET_NAME.search(name) for name, _ in parse_qsl(urlsplit(url).query))
    except ValueError:
        return False


def variable(name: Any, path: str, faults: Faults, *, dry: bool) -> str:
    """What an environment variable holds, without space around it.

    Args:
        name: The variable's, as the file says it.
        path: The key that names it.
        faults: Where it is told that there is no such variable.
        dry: Do not look.

    Returns:
        Where it was not looked for, or there is none: "unset", which stands for what it holds.
    """
    if not isinstance(name, str) or not _VARIABLE.fullmatch(name):
        faults.add(path, "the name of an environment variable is needed, not what it holds")
        return "unset"
    if dry:
        return "unset"
    held = os.environ.get(name, "").strip()
    if not held:
        # what looks like no name of a variable may be the key itself
        shown = name if _SHOWN.fullmatch(name) else "the variable that it names"
        faults.add(path, f"{shown} is not set, or empty, in the environment; set it there")
    return held or "unset"
