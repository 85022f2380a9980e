"""What identifies a job and a worker, and what a worker may give back. No thread, no file."""

from __future__ import annotations

import dataclasses
import enum
import functools
import hashlib
import json
import pickle
from collections.abc import Callable, Iterable, Mapping, Set
from dataclasses import dataclass
from pathlib import PurePath
from typing import Any, TypeAlias

from ..errors import ConfigurationError

__all__ = ["JobId", "Outcome", "check_pickles", "digest", "id_of"]

JobId: TypeAlias = str | int


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a worker gives back, where a text or a `Response` does not say enough.

    Attributes:
        text: What was said, in the end.
        value: Anything that JSON can say.
        status: "completed", or another word of yours.
        minutes: Of audio or conversation, for the rate limit; None: as long as its sessions were
            open.
    """

    text: str | None = None
    value: Any = None
    status: str = "completed"
    minutes: float | None = None


def id_of(job: Any) -> JobId:
    """The id of a job: itself, of a str, an int or a path; else its "id", or its attribute `id`.

    Raises:
        ConfigurationError: It has none.
    """
    if isinstance(job, PurePath):
        return str(job)
    found = job
    if isinstance(job, Mapping):
        found = job.get("id")
    elif not isinstance(job, (str, int)):
        found = getattr(job, "id", None)
    if isinstance(found, bool) or not isinstance(found, (str, int)) or found == "":
        raise ConfigurationError(
            f"jobs: each needs an id, a str or an int: itself, its attribute `id` or its key"
            f' "id"; {type(job).__name__} has {found!r}'
        )
    return found


def digest(value: Any) -> str:
    """Twelve digits that stay the same, in other processes too, as long as the value does.

    Raises:
        ConfigurationError: It is nested too deep, or holds itself.
    """
    try:
        said = json.dumps(_plain(value), sort_keys=True, ensure_ascii=False, default=repr)
    except RecursionError:
        # no repr of it: that is as deep
        found = value.get("id") if isinstance(value, Mapping) else getattr(value, "id", None)
        raise ConfigurationError(
            f"job {found!r}: it is nested too deep, or holds itself; give a flatter one"
        ) from None
    return hashlib.blake2b(said.encode("utf-8", "replace"), digest_size=6).hexdigest()


def _plain(value: Any) -> Any:
    """The value as JSON has it; of what cannot be said, the type."""
    if value is None or isinstance(value, (str, int, float)):
        return value
    if isinstance(value, (bytes, bytearray)):
        return hashlib.blake2b(value, digest_size=8).hexdigest()
    if isinstance(value, PurePath):
        return str(value)
    if isinstance(value, enum.Enum):
        return [type(value).__qualname__, value.name]
    if isinstance(value, Mapping):
        return {str(key): _plain(one) for key, one in value.items()}
    if isinstance(value, Set):
        return sorted(json.dumps(_plain(one), sort_keys=True) for one in value)
    if isinstance(value, (list, tuple)):
        return [_plain(one) for one in value]
    if isinstance(value, functools.partial):
        return ["partial", _plain(value.func), _plain(value.args), _plain(value.keywords)]
    kept: dict[str, Any] = {}
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        # what does not count for equality does not make another run: where the server is, say
        kept = {
            one.name: _plain(getattr(value, one.name))
            for one in dataclasses.fields(value)
            if one.compare
        }
    named = value if hasattr(value, "__qualname__") else type(value)
    home = getattr(named, "__module__", "")
    # a script is __main__ in one process and a module in another
    name = (
        named.__qualname__
        if home in ("__main__", "__mp_main__")
        else f"{home}:{named.__qualname__}"
    )
    return [name, kept]


def check_pickles(worker: Callable[[Any], Any]) -> None:
    """See that other processes can be given the worker.

    Raises:
        ConfigurationError: It does not pickle; names the part that does not.
    """
    why = _unpicklable(worker)
    if why is None:
        return
    part = next((said for said in map(_named_unless, _parts(worker)) if said), "worker")
    raise ConfigurationError(
        f"{part} does not pickle, so no other process can be given it: {why}; use a function of a"
        ' module, or give a tool by its dotted path, "package.module:name"'
    )


def _parts(worker: Any) -> Iterable[tuple[str, Any]]:
    """What a worker holds, with names."""
    kept = getattr(worker, "__dict__", {})
    if dataclasses.is_dataclass(worker):
        kept = {one.name: getattr(worker, one.name) for one in dataclasses.fields(worker)}
    for name, value in kept.items():
        if isinstance(value, (list, tuple)):
            yield from ((f"{name}[{n}]", one) for n, one in enumerate(value))
        else:
            yield name, value


def _named_unless(part: tuple[str, Any]) -> str | None:
    name, value = part
    return None if _unpicklable(value) is None else f"worker: {name}: {value!r}"


def _unpicklable(value: Any) -> str | None:
    try:
        pickle.dumps(value)
    except Exception as exc:  # whatever a __reduce__ of somebody's raises
        return str(exc) or type(exc).__name__
    return None
