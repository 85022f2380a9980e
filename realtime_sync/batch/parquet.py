"""Results as a Parquet table. The home of pyarrow, which comes in when a table is wanted."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Any

from ..errors import ConfigurationError
from .result import Result, results

__all__ = ["check_there", "convert"]

_ROWS = 10_000  # a group; that many are in memory


def check_there() -> None:
    """See that pyarrow is installed.

    Raises:
        ConfigurationError: It is not.
    """
    try:
        import pyarrow.parquet  # noqa: F401
    except ModuleNotFoundError as exc:
        raise ConfigurationError(
            "results: Parquet needs the package pyarrow: pip install pyarrow; or name a .jsonl file"
        ) from exc


def convert(lines: str, table: str) -> None:
    """Write a table of a results file; `value` and `error` are JSON. There is all of it or none.

    A table has its index at its end, so one that is still written cannot be read: that is why the
    lines stay beside it.
    """
    import pyarrow
    from pyarrow import parquet

    schema = _schema(pyarrow)
    unfinished = f"{table}.{os.getpid()}.tmp"
    try:
        with parquet.ParquetWriter(unfinished, schema) as writer:
            for rows in _groups(results(lines)):
                writer.write_table(pyarrow.Table.from_pylist(rows, schema=schema))
        os.replace(unfinished, table)
    finally:
        if os.path.exists(unfinished):
            os.unlink(unfinished)


def _schema(pyarrow: Any) -> Any:
    texts = ("job", "status", "text", "value", "error", "worker", "run", "key")
    numbers = {name: pyarrow.float64() for name in ("seconds", "minutes", "finished")}
    numbers |= {name: pyarrow.int64() for name in ("attempts", "tokens", "requests")}
    return pyarrow.schema({name: pyarrow.string() for name in texts} | numbers)


def _groups(found: Iterator[Result]) -> Iterable[list[dict[str, Any]]]:
    while rows := [_row(one) for one in islice(found, _ROWS)]:
        yield rows


def _row(result: Result) -> dict[str, Any]:
    told: dict[str, Any] = json.loads(result.line())
    for name in ("value", "error"):
        if told[name] is not None:
            told[name] = json.dumps(told[name], ensure_ascii=False)
    return {**told, "job": str(result.job)}
