"""Where to connect to, as tables tell it: an endpoint each. Opens no link."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from ..errors import ConfigurationError
from ..runtime.azure import Azure
from ..runtime.endpoints import Compatible, Endpoint, OpenAI
from ..tables import Faults, kind_of, nearest
from ..tools.paths import resolved
from .keys import variable

__all__ = ["COMMON", "NO_KEY", "TYPES", "endpoint", "texts"]

COMMON: Final = ("type", "api_key_env", "headers", "headers_env", "query", "query_env")
#: Type -> the class, and its arguments that stand in the table as they are.
TYPES: Final[dict[str, tuple[Any, tuple[str, ...]]]] = {
    "openai": (OpenAI, ("base_url", "organization", "project")),
    "azure": (Azure, ("endpoint", "deployment", "api_version")),
    "compatible": (Compatible, ("base_url", "dialect", "allow_plain")),
}


def endpoint(table: Any, path: str, faults: Faults, *, dry: bool) -> Endpoint | None:
    """The endpoint that a table tells; None where it has faults.

    Args:
        table: As the file has it: `type`, the arguments of its class, and variables of keys.
        path: Its place in the file.
        faults: Where faults are told.
        dry: Read no environment variable.
    """
    if not isinstance(table, Mapping):
        faults.add(path, f'a table is needed, with "type", not {kind_of(table)}')
        return None
    kind = table.get("type")
    if not isinstance(kind, str) or kind not in TYPES:
        given = f"; {nearest(kind, TYPES)}" if isinstance(kind, str) else ""
        faults.add(f"{path}.type", f"one of {', '.join(map(repr, TYPES))} is needed{given}")
        return None
    made, own = TYPES[kind]
    more = ("token_provider",) if kind == "azure" else ()
    faults.unknown(table, path, (*COMMON, *own, *more))
    arguments = {name: table[name] for name in own if name in table}
    _check(arguments, path, faults)
    # else whoever writes the file decides who gets the key of whoever runs it
    if kind == "openai" and "base_url" in table and "api_key_env" not in table:
        faults.add(f"{path}.base_url", NO_KEY)
    if kind == "azure" and "endpoint" in table and not {"api_key_env", *more} & {*table}:
        faults.add(f"{path}.endpoint", _NO_AZURE_KEY)
        return None
    if kind == "compatible" and "base_url" not in arguments:
        if "base_url" not in table:
            faults.add(f"{path}.base_url", "the server's URL is needed")
        return None
    if "api_key_env" in table:
        where = f"{path}.api_key_env"
        arguments["api_key"] = variable(table["api_key_env"], where, faults, dry=dry)
    for name in ("headers", "query"):
        arguments[name] = texts(table, name, path, faults, dry=dry)
    if more and "token_provider" in table:
        where = f"{path}.token_provider"
        provider = _provider(table["token_provider"], where, faults)
        if provider is None:
            return None
        arguments["token_provider"] = provider
    try:
        place: Endpoint = made(**arguments)
    except ConfigurationError as exc:
        faults.add("", f"{path}.{exc}")
        return None
    return place


NO_KEY: Final = (
    "say which key goes there: api_key_env, beside it; for a server that needs none use the "
    'endpoint\'s type = "compatible"'
)


_NO_AZURE_KEY: Final = "say which key goes there: api_key_env, or token_provider, beside it"


def _provider(given: Any, path: str, faults: Faults) -> Any:
    """The function that gives a token; what is no path is not shown: it may be the token."""
    if isinstance(given, str) and ":" not in given:
        faults.add(path, 'a dotted path is needed: "package.module:name", a function')
        return None
    try:
        found = resolved(given)
    except ConfigurationError as exc:
        faults.add(path, str(exc))
        return None
    if not callable(found):
        faults.add(path, f"a function that gives a token is needed, not {kind_of(found)}")
        return None
    return found


def _check(arguments: dict[str, Any], path: str, faults: Faults) -> None:
    for name, value in list(arguments.items()):
        kind, word = (bool, "true or false") if name == "allow_plain" else (str, "a text")
        if not isinstance(value, kind):
            faults.add(f"{path}.{name}", f"{word} is needed, not {kind_of(value)}")
            del arguments[name]


def texts(
    table: Mapping[str, Any], name: str, path: str, faults: Faults, *, dry: bool
) -> dict[str, str]:
    """Headers, or parts of a query: those that stand there, and those of the environment.

    Args:
        table: Has them at `name`, and at `name`_env the variables that hold others.
        name: "headers" or "query".
        path, faults, dry: As of `endpoint`.
    """
    held: dict[str, str] = {}
    for key in (name, f"{name}_env"):
        where = f"{path}.{key}"
        given = table.get(key, {})
        if not isinstance(given, Mapping):
            faults.add(where, f"a table is needed, not {kind_of(given)}")
            continue
        for one, value in given.items():
            if key != name:
                held[one] = variable(value, f"{where}.{one}", faults, dry=dry)
            elif isinstance(value, str):
                held[one] = value
            else:
                faults.add(f"{where}.{one}", f"a text is needed, not {kind_of(value)}")
    return held
