"""`python -m benchmarks [NAME ...]`: run some, or all, print their rows."""

from __future__ import annotations

import argparse
import json
import os
import pathlib
import platform
from collections.abc import Callable, Sequence
from importlib import metadata
from typing import Any

from . import batches, imports, links, resampling
from .race import Row

#: Name -> what gives its rows, from a number of rounds.
BENCHMARKS: dict[str, Callable[[int], list[Row]]] = {
    "import": imports.rows,
    "receive": links.receive,
    "append": links.append,
    "ask": links.ask,
    "crowd": links.crowd,
    "bargein": links.bargein,
    "memory": links.memory,
    "hour": links.hour,
    "reconnect": links.reconnect,
    "resampling": resampling.rows,
    "batch": batches.rows,
}

_PACKAGES = (
    "realtime_sync",
    "numpy",
    "soxr",
    "openai",
    "pydantic",
    "websocket-client",
    "websockets",
)


def main(arguments: Sequence[str] | None = None) -> None:
    """Print the rows of benchmarks, and write them where `--json` says."""
    parser = argparse.ArgumentParser("python -m benchmarks", description=__doc__)
    parser.add_argument(
        "names", nargs="*", metavar="NAME", help=f"{', '.join(BENCHMARKS)}; none: all of them"
    )
    parser.add_argument("--rounds", type=int, default=5, help="runs of each side (5)")
    parser.add_argument(
        "--json", type=pathlib.Path, metavar="FILE", help="write the rows there, beside others"
    )
    given = parser.parse_args(arguments)
    for name in given.names:
        if name not in BENCHMARKS:
            parser.error(f"NAME: {', '.join(BENCHMARKS)}; not {name!r}")
    if given.rounds < 1:
        parser.error("--rounds: at least 1")
    versions = {name: version for name in _PACKAGES if (version := _version(name))}
    told: dict[str, Any] = {"machine": _machine(), "versions": versions}
    print(", ".join([told["machine"], *(f"{name} {v}" for name, v in versions.items())]))
    results = _known(given.json)
    for name in given.names or BENCHMARKS:
        load = _load()
        rows = BENCHMARKS[name](given.rounds)
        for row in rows:
            print(row, flush=True)
        results[name] = {"load": [load, _load()], "rows": [row.to_json() for row in rows]}
        if given.json is not None:
            text = json.dumps({**told, "results": results}, indent=1)
            given.json.write_text(text + "\n", encoding="utf-8")


def _known(path: pathlib.Path | None) -> dict[str, Any]:
    """What a file holds already: a benchmark that is run again replaces its own rows only."""
    if path is None or not path.exists():
        return {}
    known: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))["results"]
    return known


def _machine() -> str:
    return (
        f"Python {platform.python_version()}, {platform.system()} {platform.release()}, "
        f"{os.cpu_count()} cores, {_processor()}"
    )


def _processor() -> str:
    try:
        lines = pathlib.Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor()
    models = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return models[0] if models else platform.processor()


def _load() -> float | None:
    """Processes that wanted a core in the last minute; None where the system does not tell."""
    return round(os.getloadavg()[0], 2) if hasattr(os, "getloadavg") else None


def _version(name: str) -> str | None:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


if __name__ == "__main__":
    main()
