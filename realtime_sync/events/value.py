"""The base of every wire object: frozen, lenient in reading, exact in writing.

Reading keeps what it does not know (extra fields, new enum values) and forgives what is missing.
Writing (`wire()`) gives back exactly what was set: not set is not sent, None is null. Knows no
event, no socket, no thread.
"""

from __future__ import annotations

import copy
import re
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

from ..errors import ConfigurationError
from .odd import put_back, take_odd

if TYPE_CHECKING:
    from pydantic._internal._model_construction import ModelMetaclass

__all__ = ["Value", "check", "fault", "read"]

V = TypeVar("V", bound="Value")

#: Where a value keeps what it was read without, that `wire()` may put it back.
_ODD = "_odd"
#: How often odd values are taken out of one: a union shows what is below it only then.
_ROUNDS = 4
#: Audio, images and their like: longer than this they are shortened in a repr.
_LONG = 60
#: Fields that hold what opens a tool server or a session. Source: wire.md (c), (i).
_SECRETS = frozenset({"authorization", "headers", "extra_headers", "client_secret"})
_HIDDEN = "…"
_BASE64 = re.compile(r"(?:data:[\w/.+-]+;base64,)?[\w+/-]+=*$", re.ASCII)


if TYPE_CHECKING:
    _Nominal = ModelMetaclass
else:

    class _Nominal(type(BaseModel)):
        """`isinstance` as of any class; pydantic's looks for abstract ones, ten times as long."""

        __instancecheck__ = type.__instancecheck__


class Value(BaseModel, metaclass=_Nominal):
    """A frozen value: equal by content, not hashable (use its id), picklable."""

    model_config = ConfigDict(
        frozen=True,
        extra="allow",
        # 120 models take 150 ms to build, most sessions need a dozen
        defer_build=True,
        protected_namespaces=(),
        arbitrary_types_allowed=True,
        # else NaN in a field that we do not know would go out as null, which means something
        ser_json_inf_nan="constants",
        allow_inf_nan=False,  # pydantic would read the text "inf" as a number
    )

    __hash__: ClassVar[None]  # type: ignore[assignment]

    @classmethod
    def __pydantic_init_subclass__(cls, **kwargs: Any) -> None:
        # pydantic gives frozen models a hash; ours hold lists and dicts, and equal ids are not
        # equal contents, so a dict keyed by them would only look right
        cls.__hash__ = None

    def __getitem__(self, name: str) -> Any:
        """A field by its wire name, also where that is a name of Python's or of a method here.

        Raises:
            KeyError: It was not set.
        """
        if name in self.__pydantic_fields_set__:
            extra = self.__pydantic_extra__ or {}
            return extra[name] if name in extra else self.__dict__[name]
        raise KeyError(name)

    def __contains__(self, name: object) -> bool:
        return name in self.__pydantic_fields_set__

    def get(self, name: str, default: Any = None) -> Any:
        """A field by its wire name; `default` where it was not set."""
        try:
            return self[name]
        except KeyError:
            return default

    def wire(self) -> dict[str, Any]:
        """The JSON-ready dict of exactly what was set, null included, under wire names."""
        try:
            told: dict[str, Any] = self.__pydantic_serializer__.to_python(
                self, mode="json", exclude_unset=True, warnings=False
            )
        except UnicodeEncodeError:  # half a surrogate pair in a name; pydantic can write it so only
            told = _plain(self.model_dump(exclude_unset=True, warnings=False))
        if _ODD in self.__dict__:
            put_back(told, self.__dict__[_ODD])
        return told

    def __repr_args__(self) -> Iterator[tuple[str | None, Any]]:
        for name, value in super().__repr_args__():
            if value is not None and name in self.model_fields_set:
                yield name, _HIDDEN if name in _SECRETS else _shown(value)


def _plain(value: Any) -> Any:
    """Dumped values as JSON has them."""
    if isinstance(value, dict):
        return {name: _plain(inner) for name, inner in value.items()}
    return [_plain(inner) for inner in value] if isinstance(value, (list, tuple)) else value


def _shown(value: Any) -> Any:
    """A value as a repr shows it: long base64 by its beginning and its length, no secrets."""
    if isinstance(value, str) and len(value) > _LONG and _BASE64.match(value):
        return f"{value[: _LONG // 2]}… ({len(value)} characters)"
    if isinstance(value, dict):
        return {k: _HIDDEN if k in _SECRETS else _shown(v) for k, v in value.items()}
    if type(value) in (list, tuple):
        return type(value)(_shown(inner) for inner in value)
    return value


def read(model: type[V], data: dict[str, Any]) -> V:
    """What a server told, as its model. Odd values that it can do without read as absent.

    Raises:
        ValidationError: It does not fit.
    """
    try:
        # not `model_validate`, which takes as long again to look at arguments it was not given
        made: V = model.__pydantic_validator__.validate_python(data)
    except ValidationError as exc:
        fault = exc
    else:
        return made
    lean, odd = copy.deepcopy(data), []
    for _ in range(_ROUNDS):
        taken = take_odd(model, lean, fault)
        if not taken:
            break
        odd += taken
        try:
            made = model.model_validate(lean)
        except ValidationError as exc:
            fault = exc
            continue
        # __dict__ and no private attribute, which would cost every value that has none
        made.__dict__[_ODD] = tuple(odd)
        return made
    raise fault


def check(model: type[Value], data: Any, where: str = "") -> Any:
    """Validate what a caller wants to send.

    Raises:
        ConfigurationError: A value the wire has no place for; names each field.
    """
    try:
        return model.__pydantic_validator__.validate_python(data)
    except ValidationError as exc:
        # from None: pydantic's own message repeats the input, which may be long or private
        raise ConfigurationError(fault(exc, where)) from None


#: What pydantic calls a fault -> what is wanted instead.
_WANTED = {
    "bool_parsing": "true or false",
    "bool_type": "true or false",
    "dict_type": "an object",
    "float_parsing": "a number",
    "float_type": "a number",
    "int_from_float": "a whole number",
    "int_parsing": "a whole number",
    "int_type": "a whole number",
    "model_type": "an object",
    "string_type": "a string",
    "tuple_type": "a list",
}


def fault(exc: ValidationError, where: str = "") -> str:
    """Each fault of a validation as "path: what is wrong", without the input."""
    wanted: dict[str, list[str]] = {}
    for error in exc.errors(include_url=False, include_context=False, include_input=False):
        steps = (str(part) for part in error["loc"] if _is_wire_name(part))
        path = ".".join(step for step in (where, *steps) if step) or "value"
        said = _WANTED.get(error["type"], error["msg"].lower())
        if said not in wanted.setdefault(path, []):
            wanted[path].append(said)
    # of a union, only the branch that came furthest: it is the one that was meant
    deepest = [p for p in wanted if not any(other.startswith(f"{p}.") for other in wanted)]
    return "; ".join(f"{path}: {_one_of(wanted[path])}" for path in deepest)


def _one_of(wanted: list[str]) -> str:
    if {"a number", "a whole number"} <= {*wanted}:
        wanted = [one for one in wanted if one != "a whole number"]
    known = set(_WANTED.values()) & {*wanted}
    return f"must be {' or '.join(wanted)}" if known else "; ".join(wanted)


#: A union's branch shows up in a fault's path as its type's name; the wire has no such step.
_BRANCHES = frozenset({"bool", "dict", "float", "int", "list", "str", "tuple"})


def _is_wire_name(part: str | int) -> bool:
    if isinstance(part, int):
        return True
    return part not in _BRANCHES and part == part.lower() and part.replace("_", "").isalnum()
