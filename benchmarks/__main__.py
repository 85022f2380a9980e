"""`python -m benchmarks NAME`: run one, print its rows."""

from __future__ import annotations

import argparse
import json
import os
import pathlib
import platform
from collections.abc import Callable, Sequence
from importlib import metadata

from . import imports, links, resampling
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
    """Print the rows of a benchmark, and write them where `--json` says."""
    parser = argparse.ArgumentParser("python -m benchmarks", description=__doc__)
    parser.add_argument("name", choices=sorted(BENCHMARKS))
    parser.add_argument("--rounds", type=int, default=15, help="runs of each side (15)")
    parser.add_argument("--json", type=pathlib.Path, metavar="FILE", help="write the rows there")
    given = parser.parse_args(arguments)
    if given.rounds < 1:
        parser.error("--rounds: at least 1")
    rows = BENCHMARKS[given.name](given.rounds)
    machine = f"Python {platform.python_version()}, {platform.system()}, {os.cpu_count()} cores"
    versions = {name: version for name in _PACKAGES if (version := _version(name))}
    print(", ".join([machine, *(f"{name} {version}" for name, version in versions.items())]))
    for row in rows:
        print(row)
    if given.json is not None:
        told = {
            "benchmark": given.name,
            "machine": machine,
            "versions": versions,
            "rows": [row.to_json() for row in rows],
        }
        given.json.write_text(json.dumps(told, indent=1) + "\n", encoding="utf-8")


def _version(name: str) -> str | None:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


if __name__ == "__main__":
    main()
