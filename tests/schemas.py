"""The wire's JSON Schemas: values that fit one, and what does not fit in a value.

Knows the constructs that the files of `tests/data` use: $ref to $defs, anyOf, const, enum, type
(one or a list), properties, required, additionalProperties, items, and bounds of numbers, strings
and arrays. `hypothesis-jsonschema` would do the same, but not with a recent `hypothesis`.
"""

from __future__ import annotations

import functools
import json
import math
import pathlib
from collections.abc import Iterator
from typing import Any

from hypothesis import strategies as st

Schema = dict[str, Any]

#: The schemas, one file a kind.
DATA = pathlib.Path(__file__).resolve().parent / "data"
#: Sessions that others recorded: not part of the project, read where they stand.
TRANSCRIPTS = DATA.parents[2] / "shared" / "transcripts"

#: Any JSON, small.
JSON: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | st.floats(-9, 9) | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3)
    ),
    max_leaves=5,
)


@functools.cache
def load(file: str) -> dict[str, Schema]:
    """The schemas of a file by name."""
    found: dict[str, Schema] = json.loads((DATA / file).read_text(encoding="utf-8"))
    return found


def cases(file: str, *left_out: str) -> list[str]:
    """The names in a file, to parametrize a test with."""
    return [name for name in load(file) if name not in left_out]


@functools.cache
def named(file: str, name: str, *, extra: bool = False) -> st.SearchStrategy[Any]:
    """`values` of a schema by its name in a file."""
    return values(load(file)[name], extra=extra)


def values(schema: Schema, *, extra: bool = False) -> st.SearchStrategy[Any]:
    """Values that fit a schema.

    Args:
        schema: A whole one, as `load` gives it.
        extra: Also fields that no schema names, where it allows them.
    """
    return _Values(schema.get("$defs", {}), extra).of(schema)


class _Values:
    def __init__(self, defs: dict[str, Schema], extra: bool) -> None:
        self.defs = defs
        self.extra = extra
        self.known: dict[str, st.SearchStrategy[Any]] = {}  # of $defs, some of which hold others

    def of(self, schema: Schema) -> st.SearchStrategy[Any]:
        if "$ref" in schema:
            return self.referred(schema["$ref"].removeprefix("#/$defs/"))
        if "anyOf" in schema:
            return st.one_of([self.of(branch) for branch in schema["anyOf"]])
        if "const" in schema:
            return st.just(schema["const"])
        if "enum" in schema:
            return st.sampled_from(schema["enum"])
        kinds = schema.get("type")
        if kinds is None:
            return JSON
        kinds = kinds if isinstance(kinds, list) else [kinds]
        return st.one_of([getattr(self, kind)(schema) for kind in kinds])

    def referred(self, name: str) -> st.SearchStrategy[Any]:
        if name not in self.known:
            self.known[name] = st.deferred(lambda: self.of(self.defs[name]))
        return self.known[name]

    def null(self, _: Schema) -> st.SearchStrategy[Any]:
        return st.none()

    def boolean(self, _: Schema) -> st.SearchStrategy[Any]:
        return st.booleans()

    def integer(self, schema: Schema) -> st.SearchStrategy[Any]:
        low, high = schema.get("minimum", -(2**53)), schema.get("maximum", 2**53)
        return st.integers(math.ceil(low), math.floor(high))

    def number(self, schema: Schema) -> st.SearchStrategy[Any]:
        low, high = schema.get("minimum", -1e9), schema.get("maximum", 1e9)
        return st.floats(low, high) | st.integers(math.ceil(low), math.floor(high))

    def string(self, schema: Schema) -> st.SearchStrategy[Any]:
        least = schema.get("minLength", 0)
        most = min(schema.get("maxLength", least + 12), least + 12)
        return st.text(min_size=least, max_size=most)

    def array(self, schema: Schema) -> st.SearchStrategy[Any]:
        least = schema.get("minItems", 0)
        most = min(schema.get("maxItems", least + 3), least + 3)
        return st.lists(self.of(schema.get("items", {})), min_size=least, max_size=most)

    def object(self, schema: Schema) -> st.SearchStrategy[Any]:
        fields = {name: self.of(inner) for name, inner in schema.get("properties", {}).items()}
        needed = set(schema.get("required", ()))
        more = schema.get("additionalProperties", True)
        known = st.fixed_dictionaries(
            {name: inner for name, inner in fields.items() if name in needed},
            optional={name: inner for name, inner in fields.items() if name not in needed},
        )
        if more is False or (fields and more is True and not self.extra):
            return known
        others = st.dictionaries(
            st.text(max_size=8).map("x_{}".format) if fields else st.text(max_size=8),
            self.of(more) if isinstance(more, dict) else JSON,
            max_size=2,
        )
        return st.tuples(others, known).map(lambda both: {**both[0], **both[1]})


_TYPES: dict[str, tuple[type, ...]] = {
    "null": (type(None),),
    "boolean": (bool,),
    "integer": (int,),
    "number": (int, float),
    "string": (str,),
    "array": (list,),
    "object": (dict,),
}


def faults(schema: Schema, value: Any, *, closed: bool = False) -> list[str]:
    """What in a value does not fit a schema, each as "path: what"; bounds are not looked at.

    Args:
        schema: A whole one, as `load` gives it.
        closed: Fields that the schema does not name are faults, even where it allows them.
    """
    return list(_Faults(schema.get("$defs", {}), closed).of(schema, value, ""))


class _Faults:
    def __init__(self, defs: dict[str, Schema], closed: bool) -> None:
        self.defs = defs
        self.closed = closed

    def of(self, schema: Schema, value: Any, path: str) -> Iterator[str]:
        if "$ref" in schema:
            schema = self.defs[schema["$ref"].removeprefix("#/$defs/")]
        if "anyOf" in schema:
            found = [list(self.of(branch, value, path)) for branch in schema["anyOf"]]
            if all(found):  # the branch that comes closest tells most
                yield from max(found, key=lambda faults: max(map(len, faults)))
            return
        allowed = [schema["const"]] if "const" in schema else schema.get("enum")
        if allowed is not None and value not in allowed:
            yield f"{path}: {value!r} is none of {allowed}"
            return
        kinds = schema.get("type", list(_TYPES))
        types = [t for kind in ([kinds] if isinstance(kinds, str) else kinds) for t in _TYPES[kind]]
        if type(value) not in types:
            yield f"{path}: {value!r} is no {kinds}"
        elif isinstance(value, dict):
            yield from self.fields(schema, value, path)
        elif isinstance(value, list):
            for index, inner in enumerate(value):
                yield from self.of(schema.get("items", {}), inner, f"{path}[{index}]")

    def fields(self, schema: Schema, value: dict[str, Any], path: str) -> Iterator[str]:
        known = schema.get("properties", {})
        more = schema.get("additionalProperties", True)
        for name in schema.get("required", ()):
            if name not in value:
                yield f"{path}.{name}: missing"
        for name, inner in value.items():
            if name in known or isinstance(more, dict):
                yield from self.of(known.get(name, more), inner, f"{path}.{name}")
            elif more is False or (self.closed and known):
                yield f"{path}.{name}: unknown"
