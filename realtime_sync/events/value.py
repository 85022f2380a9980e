"""The base of every wire object: frozen, lenient in reading, exact in writing.

Reading keeps what it does not know (extra fields, new enum values) and forgives what is missing.
Writing (`wire()`) gives back exactly what was set: not set is not sent, None is null. Knows no
event, no socket, no thread.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, ClassVar

from pydantic import BaseModel, ConfigDict, ValidationError

from ..errors import ConfigurationError

__all__ = ["Value", "check", "fault"]

#: Audio, images and their like: longer than this they are shortened in a repr.
_LONG = 60
_BASE64 = re.compile(r"(?:data:[\w/.+-]+;base64,)?[\w+/-]+=*$", re.ASCII)


class Value(BaseModel):
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
    )

    __hash__: ClassVar[None]  # type: ignore[assignment]

    @classmethod
    def __pydantic_init_subclass__(cls, **kwargs: Any) -> None:
        # pydantic gives frozen models a hash; ours hold lists and dicts, and equal ids are not
        # equal contents, so a dict keyed by them would only look right
        cls.__hash__ = None

    def wire(self) -> dict[str, Any]:
        """The JSON-ready dict of exactly what was set, null included, under wire names."""
        return self.model_dump(mode="json", exclude_unset=True, warnings=False)

    def __repr_args__(self) -> Iterator[tuple[str | None, Any]]:
        for name, value in super().__repr_args__():
            if value is not None and name in self.model_fields_set:
                yield name, _shown(value)


def _shown(value: Any) -> Any:
    """A value as a repr shows it: long base64 by its beginning and its length."""
    if isinstance(value, str) and len(value) > _LONG and _BASE64.match(value):
        return f"{value[: _LONG // 2]}… ({len(value)} characters)"
    if isinstance(value, dict):
        return {key: _shown(inner) for key, inner in value.items()}
    if type(value) in (list, tuple):
        return type(value)(_shown(inner) for inner in value)
    return value


def check(model: type[Value], data: Any, where: str = "") -> Any:
    """Validate what a caller wants to send.

    Raises:
        ConfigurationError: A value the wire has no place for; names each field.
    """
    try:
        return model.model_validate(data)
    except ValidationError as exc:
        # from None: pydantic's own message repeats the input, which may be long or private
        raise ConfigurationError(fault(exc, where)) from None


def fault(exc: ValidationError, where: str = "") -> str:
    """Each fault of a validation as "path: what is wrong", without the input."""
    lines = []
    for error in exc.errors(include_url=False, include_context=False, include_input=False):
        path = ".".join(str(part) for part in error["loc"] if _is_wire_name(part))
        lines.append(
            f"{'.'.join(p for p in (where, path) if p) or 'value'}: {error['msg'].lower()}"
        )
    return "; ".join(dict.fromkeys(lines))


#: A union's branch shows up in a fault's path as its type's name; the wire has no such step.
_BRANCHES = frozenset({"bool", "dict", "float", "int", "list", "str", "tuple"})


def _is_wire_name(part: str | int) -> bool:
    if isinstance(part, int):
        return True
    return part not in _BRANCHES and part == part.lower() and part.replace("_", "").isalnum()
