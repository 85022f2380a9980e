"""What a function takes, as the model of a conversation reads it."""

from __future__ import annotations

import dataclasses
import enum
import functools
import socket
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from typing import Annotated, Any, Literal

import pytest
from pydantic import BaseModel, Field, ImportString, ValidationError

from realtime_sync.tools.schema import Signature, documented, named


class Unit(enum.Enum):
    CELSIUS = "c"
    KELVIN = "k"


class Place(BaseModel):
    """A place on earth."""

    title: str
    lat: float = 0.0


@dataclasses.dataclass
class Span:
    days: int
    p0: int = 1  # named like a field of the model behind the function


def weather(
    city: Annotated[str, Field(description="Its English name.")],
    unit: Unit = Unit.CELSIUS,
    detail: Literal["short", "long"] = "short",
    place: Place | None = None,
    span: Span | None = None,
    hours: list[int] = [1, 2],  # noqa: B006  # what people write
) -> str:
    """The weather
    somewhere.

    Args:
        city: Where.
    """
    return f"{city} {unit} {detail} {place} {span} {hours}"


def test_the_schema_says_what_the_hints_say():
    """Defaults, literals, enums, models, dataclasses and descriptions; closed; without titles."""
    schema = Signature.of(weather).schema
    # pydantic before 2.9 wraps a reference that has a default
    wrapped_in = schema["properties"]["unit"].pop("allOf", None)
    if wrapped_in:
        schema["properties"]["unit"].update(*wrapped_in)
    assert schema == {
        "type": "object",
        "properties": {
            "city": {"type": "string", "description": "Its English name."},
            "unit": {"$ref": "#/$defs/Unit", "default": "c"},
            "detail": {"type": "string", "enum": ["short", "long"], "default": "short"},
            "place": {"anyOf": [{"$ref": "#/$defs/Place"}, {"type": "null"}]},
            "span": {"anyOf": [{"$ref": "#/$defs/Span"}, {"type": "null"}]},
            "hours": {"type": "array", "items": {"type": "integer"}, "default": [1, 2]},
        },
        "required": ["city"],
        "additionalProperties": False,
        "$defs": {
            "Unit": {"type": "string", "enum": ["c", "k"]},
            "Place": {
                "type": "object",
                "description": "A place on earth.",
                "properties": {
                    "title": {"type": "string"},
                    "lat": {"type": "number", "default": 0.0},
                },
                "required": ["title"],
                "additionalProperties": False,
            },
            "Span": {
                "type": "object",
                "properties": {
                    "days": {"type": "integer"},
                    "p0": {"type": "integer", "default": 1},
                },
                "required": ["days"],
                "additionalProperties": False,
            },
        },
    }


def test_arguments_arrive_as_the_declared_types():
    """Models as models, enums as enums; what was left out is left out."""
    text = b'{"city": "K\xc3\xb6ln", "unit": "k", "place": {"title": "x"}, "span": {"days": 2}}'
    assert Signature.of(weather).arguments(text) == {
        "city": "Köln",
        "unit": Unit.KELVIN,
        "place": Place(title="x"),
        "span": Span(2),
    }
    assert Signature.of(weather).arguments(b'{"city": "x"}') == {"city": "x"}


def test_any_parameter_name_will_do():
    """Names that pydantic keeps for itself, and private ones, are names like others."""

    def odd(json, copy: int, model_x: int, schema: int, _y: int = 0, title: str = ""): ...

    signature = Signature.of(odd)
    assert list(signature.schema["properties"]) == [
        "json",
        "copy",
        "model_x",
        "schema",
        "_y",
        "title",
    ]
    assert signature.schema["properties"]["json"] == {}
    text = b'{"json": [1], "copy": 1, "model_x": 2, "schema": 3, "_y": 4, "title": "t"}'
    assert signature.arguments(text) == {
        "json": [1],
        "copy": 1,
        "model_x": 2,
        "schema": 3,
        "_y": 4,
        "title": "t",
    }


def test_defaults_written_as_fields_are_values():
    """Field(7, ge=3) and default_factory reach the function as values, limits hold."""

    def limited(
        count: int = Field(7, ge=3),
        names: list[str] = Field(default_factory=list),  # noqa: B008  # as pydantic has it
        level: Annotated[int, Field(le=5)] = 2,
        other: object = socket.AF_INET,
    ): ...

    signature = Signature.of(limited)
    assert signature.schema["properties"]["count"] == {
        "type": "integer",
        "default": 7,
        "minimum": 3,
    }
    assert signature.arguments(b"{}") == {"count": 7, "names": []}
    for text in (b'{"count": 2}', b'{"level": 6}'):
        with pytest.raises(ValidationError):
            signature.arguments(text)


def test_a_default_of_none_takes_null():
    """`x: int = None` takes null too, its description stays in sight; null is no default."""

    def lax(
        a: int = None,  # type: ignore[assignment]  # noqa: RUF013  # what people write
        b: Annotated[int, Field(description="B", ge=0)] = None,  # type: ignore[assignment]  # noqa: RUF013
        c: Annotated[int | None, Field(description="C")] = None,
    ): ...

    signature = Signature.of(lax)
    either = [{"type": "integer"}, {"type": "null"}]
    assert signature.schema["properties"] == {
        "a": {"anyOf": either},
        "b": {"anyOf": [{"type": "integer", "minimum": 0}, {"type": "null"}], "description": "B"},
        "c": {"anyOf": either, "description": "C"},
    }
    assert signature.arguments(b'{"a": null, "b": 1}') == {"a": None, "b": 1}
    with pytest.raises(ValidationError):
        signature.arguments(b'{"b": -1}')


def test_what_it_returns_need_not_be_known():
    """Types that only a type checker imports are often those of results."""

    def result(a: int) -> Elsewhere: ...  # type: ignore[name-defined]  # noqa: F821  # tested

    assert Signature.of(result).schema["properties"] == {"a": {"type": "integer"}}


def test_a_default_that_is_no_json_is_not_told():
    """An object as default: no warning, no default in the schema."""

    def quiet(marker: Any = object()): ...  # noqa: B008  # what is tested

    assert Signature.of(quiet).schema["properties"] == {"marker": {}}


class Desk:
    """Answers questions."""

    def ask(self, question: str) -> str:
        """Asks."""
        return question

    def __call__(self, question: str, *, loud: bool = False) -> str:
        return question

    @classmethod
    def made(cls, size: int) -> int:
        return size


def three(a: int, b: str, c: float = 0.0) -> None:
    """Three."""


def wrapped(fn: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(fn)
    def inner(*args: Any, **kwargs: Any) -> Any:
        return fn(*args, **kwargs)

    return inner


@pytest.mark.parametrize(
    ("fn", "name", "text", "properties"),
    [
        (Desk().ask, "ask", "Asks.", {"question": "string"}),
        (Desk.made, "made", "", {"size": "integer"}),
        (
            functools.partial(Desk()),
            "Desk",
            "Answers questions.",
            {"question": "string", "loud": "boolean"},
        ),
        (Desk(), "Desk", "Answers questions.", {"question": "string", "loud": "boolean"}),
        (functools.partial(three, 1), "three", "Three.", {"b": "string", "c": "number"}),
        (functools.partial(three, b="key"), "three", "Three.", {"a": "integer", "c": "number"}),
        (
            functools.partial(functools.partial(three, c=1.0), b="key"),
            "three",
            "Three.",
            {"a": "integer"},
        ),
        (wrapped(three), "three", "Three.", {"a": "integer", "b": "string", "c": "number"}),
        (
            functools.lru_cache(three),
            "three",
            "Three.",
            {"a": "integer", "b": "string", "c": "number"},
        ),
    ],
)
def test_every_kind_of_callable(fn, name, text, properties):
    """Methods, objects, partials (what they bind stays unseen) and decorated functions."""
    schema = Signature.of(fn).schema
    assert named(fn) == name
    assert documented(fn).description == text
    assert {key: part["type"] for key, part in schema["properties"].items()} == properties
    assert "key" not in str(schema)


def test_an_iterable_is_checked_before_the_function_sees_it():
    """It arrives as a list: pydantic would check each value only when the function comes to it."""

    def total(numbers: Iterable[int], more: Annotated[Iterable[int] | None, "more"] = None):
        return sum(numbers)

    signature = Signature.of(total)
    assert signature.arguments(b'{"numbers": [1, 2], "more": [3]}') == {
        "numbers": [1, 2],
        "more": [3],
    }
    assert signature.schema["properties"]["numbers"]["items"] == {"type": "integer"}
    for text in (b'{"numbers": ["x"]}', b'{"numbers": [], "more": ["x"]}'):
        with pytest.raises(ValidationError):
            signature.arguments(text)


def test_the_description_is_what_stands_before_the_sections():
    """On one line, without the sections."""
    assert documented(weather).description == "The weather somewhere."


def generator() -> Iterator[int]:
    yield 1


async def stream() -> AsyncIterator[int]:
    yield 1


def unknown_type(x: Nowhere): ...  # type: ignore[name-defined]  # noqa: F821  # what is tested


def takes_callable(x: Callable[[int], int]): ...


def takes_socket(x: socket.socket): ...


def takes_iterator(x: Annotated[Iterator[int] | None, "numbers"]): ...


def takes_import(x: ImportString | None): ...


def takes_imported(x: Annotated[ImportString[Any], "what"]): ...


def hinted(hint: object) -> Any:
    def takes_it(x): ...

    takes_it.__annotations__ = {"x": hint}
    return takes_it


@functools.singledispatch
def dispatched(x: int): ...


class Dispatching:
    @functools.singledispatchmethod
    def of(self, x: int): ...


@pytest.mark.parametrize(
    ("fn", "reason"),
    [
        (lambda *values: 0, "any number of values"),
        (lambda **values: 0, "any name"),
        (lambda value, /: 0, "positional-only"),
        (len, "positional-only"),
        (max, "wrap it in a function"),
        (Desk, "is no function"),
        (3, "is no function"),
        (generator, "generator"),
        (stream, "generator"),
        (functools.partial(generator), "generator"),
        (unknown_type, "Nowhere"),
        (hinted([int]), "parameter 'x' is hinted with .*, a value and no type"),
        (hinted((int, str)), "parameter 'x' is hinted with .*, a value and no type"),
        (hinted({"a": int}), "parameter 'x' is hinted with .*, a value and no type"),
        (hinted("5"), "parameter 'x' is hinted with 5, a value and no type"),
        (hinted(object()), "no JSON Schema"),
        (takes_callable, "no JSON Schema"),
        (takes_socket, "no JSON Schema"),
        (takes_iterator, "take a list instead"),
        (takes_import, "take a str instead"),
        (takes_imported, "take a str instead"),
        (dispatched, "chooses by its first argument"),
        (Dispatching().of, "chooses by its first argument"),
    ],
)
def test_what_cannot_be_a_tool_is_refused_with_the_reason(fn, reason):
    """TypeError at registration, naming the function and why."""
    with pytest.raises(TypeError, match=f"cannot be a tool: .*{reason}"):
        Signature.of(fn)


def test_a_type_without_a_schema_is_named_with_those_that_have_one():
    """The text says which type, and what to use; pydantic's advice about itself is left out."""
    with pytest.raises(
        TypeError, match=r"for it: <class 'socket.socket'>; hints that .* str"
    ) as no:
        Signature.of(takes_socket)
    assert "arbitrary_types_allowed" not in str(no.value)
    assert no.value.__suppress_context__
