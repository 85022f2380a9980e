"""What a Python function takes, as JSON Schema and as a pydantic model. No threads, no wire.

The model's fields are called p0, p1, … and carry the parameter's name as their alias: a parameter
may then have any name, `json`, `copy` or `model_x` included, without shadowing pydantic's own.
"""

from __future__ import annotations

import functools
import inspect
import re
import types
import typing
from collections.abc import Callable, Generator, Iterable, Iterator
from dataclasses import dataclass
from typing import Annotated, Any, Final, Optional

from pydantic import BaseModel, ConfigDict, Field, ImportString, create_model
from pydantic.errors import PydanticUserError
from pydantic.fields import FieldInfo
from pydantic.json_schema import GenerateJsonSchema

from .context import ToolContext
from .docstring import Documentation

__all__ = ["Signature", "documented", "named"]

_UNNAMEABLE: Final[dict[Any, str]] = {
    inspect.Parameter.POSITIONAL_ONLY: "is positional-only, but the model names its arguments",
    inspect.Parameter.VAR_POSITIONAL: "takes any number of values; take a list instead",
    inspect.Parameter.VAR_KEYWORD: (
        "takes any name; spell the parameters out (or, in a decorator, use functools.wraps)"
    ),
}


#: How pydantic names a type that it has no schema for, among much that is about its own settings.
_UNKNOWN: Final = re.compile(r"schema for (.+?)\. Set ")

_IMPORTS: Final[Any] = ImportString  # a class, though type checkers are told otherwise
#: What people write in a type's place, `[int]` above all.
_VALUES: Final = (list, tuple, dict, set, bytes, int, float, types.EllipsisType)


@dataclass(frozen=True, slots=True)
class Signature:
    """A function's parameters as the model of a conversation sees them.

    Attributes:
        model: Validates the arguments; unknown ones are refused.
        schema: Its JSON Schema.
        names: The parameter that each field of `model` stands for.
        defaulted: The fields whose default the function itself fills in.
        unbound: The function still needs its `self`, or its `cls`.
        context: The parameters that take the `ToolContext`; the model does not see them.
    """

    model: type[BaseModel]
    schema: dict[str, Any]
    names: dict[str, str]
    defaulted: frozenset[str]
    unbound: bool
    context: tuple[str, ...] = ()

    @classmethod
    def of(cls, fn: Callable[..., Any], about: Documentation | None = None) -> Signature:
        """Reads it off the type hints; a parameter without one takes any JSON value.

        What a `functools.partial` has bound is no argument any more: the model neither sees nor
        overrides it.

        Args:
            fn: The function.
            about: Describes those parameters whose hints do not.

        Raises:
            TypeError: The function cannot be a tool; the message says why.
        """
        label = named(fn)
        _refuse(fn, label)
        parameters = _parameters(fn, label)
        first = next(iter(parameters), "")
        unbound = inspect.isfunction(fn) and first in ("self", "cls")
        if unbound:
            del parameters[first]
        hints = {name: _eager(hint, name, label) for name, hint in _hints(fn, label).items()}
        context = tuple(name for name in parameters if _is_context(hints.get(name)))
        for name in context:
            del parameters[name]
        fields = {f"p{index}": name for index, name in enumerate(parameters)}
        model, schema = _modelled(
            label,
            fields,
            {
                name: (_hint(hints.get(name, Any), _default(p)), _default(p))
                for name, p in parameters.items()
            },
        )
        # a default written as Field(...) is a value to the model only, not to the function
        defaulted = frozenset(
            field
            for field, name in fields.items()
            if not isinstance(_default(parameters[name]), (FieldInfo, types.EllipsisType))
        )
        for name, text in (about.parameters if about is not None else {}).items():
            if name in schema["properties"]:
                schema["properties"][name].setdefault("description", text)
        return cls(model, schema, fields, defaulted, unbound, context)

    def arguments(self, text: bytes) -> dict[str, Any]:
        """Keyword arguments from JSON text, as the declared types.

        What the text leaves out is left out here too, so that the function's own default applies.

        Raises:
            pydantic.ValidationError: It is no JSON object, or does not fit the parameters.
        """
        given = self.model.model_validate_json(text)
        wanted = given.model_fields_set | (self.names.keys() - self.defaulted)
        return {
            name: getattr(given, field) for field, name in self.names.items() if field in wanted
        }

    def filled(self, arguments: dict[str, Any]) -> dict[str, Any]:
        """The same arguments, with the defaults of those that are left out."""
        defaults = {
            name: self.model.model_fields[field].get_default(call_default_factory=True)
            for field, name in self.names.items()
            if field in self.defaulted and not self.model.model_fields[field].is_required()
        }
        return {**defaults, **arguments}


def named(fn: Callable[..., Any]) -> str:
    """What the function calls itself; a partial like its function, an object like its class."""
    while isinstance(fn, functools.partial):
        fn = fn.func
    return str(getattr(fn, "__name__", type(fn).__name__))


def documented(fn: Callable[..., Any]) -> Documentation:
    """What its docstring says; of an object that of its `__call__`, or else of its class."""
    while isinstance(fn, functools.partial):
        fn = fn.func
    code = _code(fn)
    # of an object its class may say what it does; getdoc would find type.__call__'s words
    object_ = code.__name__ == "__call__"
    if object_:
        return Documentation.of(code.__doc__ or type(fn).__doc__)
    # of a class method only its own: getdoc would look it up in its class, and a tool binds itself
    of_class = inspect.isclass(getattr(code, "__self__", None))
    return Documentation.of(code.__doc__ if of_class else inspect.getdoc(code))


def _code(fn: Any) -> Any:
    """The function that holds annotations and docstring, whatever it is wrapped in."""
    while isinstance(fn, functools.partial) or hasattr(fn, "__wrapped__"):
        fn = fn.func if isinstance(fn, functools.partial) else fn.__wrapped__
    return fn if inspect.isroutine(fn) else _code(type(fn).__call__)


def _refuse(fn: Callable[..., Any], label: str) -> None:
    """Complain about what does not look as if it could not be called by the model."""
    if inspect.isclass(fn) or not callable(fn):
        raise TypeError(f"{label} cannot be a tool: it is no function; wrap it in one")
    # singledispatch and singledispatchmethod; the wrappers of other modules have their globals
    if getattr(fn, "__globals__", None) is vars(functools) and hasattr(fn, "register"):
        raise TypeError(
            f"{label} cannot be a tool: it chooses by its first argument, which the model gives "
            "by name; wrap it in a function"
        )
    code = _code(fn)
    if inspect.isgeneratorfunction(code) or inspect.isasyncgenfunction(code):
        raise TypeError(f"{label} cannot be a tool: it is a generator; return a list instead")


def _parameters(fn: Callable[..., Any], label: str) -> dict[str, inspect.Parameter]:
    try:
        parameters = dict(inspect.signature(fn).parameters)
    except (ValueError, TypeError) as exc:
        raise TypeError(f"{label} cannot be a tool: {exc}; wrap it in a function") from exc
    while isinstance(fn, functools.partial):
        parameters = {name: p for name, p in parameters.items() if name not in fn.keywords}
        fn = fn.func
    for name, parameter in parameters.items():
        if parameter.kind in _UNNAMEABLE:
            reason = _UNNAMEABLE[parameter.kind]
            raise TypeError(f"{label} cannot be a tool: parameter {name!r} {reason}")
    return parameters


def _hints(fn: Callable[..., Any], label: str) -> dict[str, Any]:
    code = _code(fn)
    # without the result, whose type may be known to type checkers only, and the defaults: at one
    # of None Python 3.10 puts Optional around the hint, and its description out of sight
    bare = types.SimpleNamespace(
        __annotations__={
            name: hint
            for name, hint in (getattr(code, "__annotations__", None) or {}).items()
            if name != "return"
        },
        __type_params__=getattr(code, "__type_params__", ()),
    )
    names = getattr(code, "__globals__", {})
    try:
        return typing.get_type_hints(bare, names, include_extras=True)
    except (NameError, AttributeError, TypeError, SyntaxError) as exc:
        if str(exc).startswith("Forward references must evaluate to types"):
            # Python 3.10 looks by itself, and does not say where; newer ones leave it to `_eager`
            for name, hint in bare.__annotations__.items():
                if isinstance(hint, str) and str(exc).endswith(f" {hint}."):
                    raise _no_type(label, name, hint) from exc
        raise TypeError(
            f"{label} cannot be a tool: a type hint cannot be resolved: {exc}; "
            "define the type at the top of its module"
        ) from exc


def _no_type(label: str, name: str, hint: str) -> TypeError:
    return TypeError(
        f"{label} cannot be a tool: parameter {name!r} is hinted with {hint}, a value and no "
        "type; of a list write list[int]"
    )


def _hint(hint: Any, default: Any) -> Any:
    """The type that a parameter takes: `x: int = None` takes None as well, as people mean it."""
    if default is not None:
        return hint
    if typing.get_origin(hint) is Annotated:
        inner, *about = typing.get_args(hint)
        return Annotated[(Optional[inner], *about)]  # noqa: UP045  # may be a forward reference
    return Optional[hint]  # noqa: UP045  # the same


def _eager(hint: Any, name: str, label: str) -> Any:
    """The type, such that its values are whole and checked before the function sees them."""
    if isinstance(hint, _VALUES):
        raise _no_type(label, name, repr(hint))
    origin, inner = typing.get_origin(hint), typing.get_args(hint)
    if hint is _IMPORTS or any(isinstance(one, _IMPORTS) for one in inner):
        raise TypeError(
            f"{label} cannot be a tool: parameter {name!r} would import what the model names; "
            "take a str instead"
        )
    if origin is Annotated:
        return Annotated[(_eager(inner[0], name, label), *inner[1:])]
    if origin in (typing.Union, types.UnionType):
        return typing.Union[tuple(_eager(one, name, label) for one in inner)]  # noqa: UP007
    if Iterable in (hint, origin):
        return types.GenericAlias(list, inner) if inner else list
    if hint in (Iterator, Generator) or origin in (Iterator, Generator):
        raise TypeError(
            f"{label} cannot be a tool: parameter {name!r} would be read unchecked; take a list "
            "instead"
        )
    return hint


def _is_context(hint: Any) -> bool:
    """Whether a hint says ToolContext, alone, annotated, or beside None."""
    if typing.get_origin(hint) is Annotated:
        hint = typing.get_args(hint)[0]
    if typing.get_origin(hint) in (typing.Union, types.UnionType):
        return any(_is_context(one) for one in typing.get_args(hint))
    return hint is ToolContext


def _default(parameter: inspect.Parameter) -> Any:
    return ... if parameter.default is parameter.empty else parameter.default


def _modelled(
    label: str, fields: dict[str, str], types_: dict[str, Any]
) -> tuple[type[BaseModel], dict[str, Any]]:
    config = ConfigDict(
        extra="forbid",
        allow_inf_nan=False,  # neither is JSON, though the parser would let them pass
    )
    try:
        # an alias a field, not an alias_generator: pydantic hands that down to nested dataclasses
        definitions: dict[str, Any] = {
            field: (Annotated[types_[name][0], Field(alias=name)], types_[name][1])
            for field, name in fields.items()
        }
        model = create_model(label, __config__=config, **definitions)
        return model, _tidied(model.model_json_schema(schema_generator=_Quiet))
    except (PydanticUserError, NameError, TypeError, AttributeError) as exc:
        odd = _UNKNOWN.search(str(exc))
        said = odd[1] if odd else str(exc).partition("\n")[0]
        raise TypeError(
            f"{label} cannot be a tool: no JSON Schema for it: {said}; hints that have one are str,"
            " int, float, bool, list, dict, Literal, enums, dataclasses, TypedDict, pydantic models"
        ) from (None if odd else exc)


class _Quiet(GenerateJsonSchema):
    """Without warnings: a default that is no JSON is simply not told to the model."""

    ignored_warning_kinds = {"skipped-choice", "non-serializable-default"}  # noqa: RUF012 # as the base


# the keys under which JSON Schema keeps schemas by name, and those that hold values as they are
_NAMED: Final = frozenset({"properties", "patternProperties", "$defs"})
_LITERAL: Final = frozenset({"default", "const", "enum", "examples", "required"})


def _tidied(schema: Any) -> Any:
    """Closed to unknown properties; without pydantic's titles, which repeat the names.

    And without null as a default: whether null may be given, the type says.
    """
    if isinstance(schema, list):
        return [_tidied(part) for part in schema]
    if not isinstance(schema, dict):
        return schema
    tidy = {
        key: _part(key, part)
        for key, part in schema.items()
        if key != "title" and not (key == "default" and part is None)
    }
    if "properties" in tidy:
        tidy.setdefault("additionalProperties", False)
    return tidy


def _part(key: str, part: Any) -> Any:
    if key in _LITERAL:
        return part
    if key in _NAMED:
        return {name: _tidied(inner) for name, inner in part.items()}
    return _tidied(part)
