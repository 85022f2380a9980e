"""What a docstring says of a function and its parameters. Text only; no types.

Google's sections are read here, so that they work in every installation. NumPy's, reST's and
Epydoc's need the package docstring_parser (extra `tools`), which then reads Google's too; without
it the description is whole, and the parameters go undescribed.
"""

from __future__ import annotations

import inspect
import logging
import re
from dataclasses import dataclass, field
from typing import Final

__all__ = ["Documentation"]

log = logging.getLogger(__name__)

# a section begins at the margin; what it holds is indented
_SECTION: Final = re.compile(r"^(?P<title>[A-Z][A-Za-z ]{2,30}):[ \t]*\n(?=[ \t]+\S)", re.MULTILINE)
_PARAMETERS: Final = frozenset({"Args", "Arguments", "Parameters", "Params"})
_SECTIONS: Final = _PARAMETERS | frozenset(
    {"Returns", "Return", "Yields", "Raises", "Exceptions", "Attributes", "Keyword Args"}
    | {"Example", "Examples", "Note", "Notes", "Warning", "Warnings", "See Also", "Todo"}
)
# "name: text", "name (type): text", "*name: text"; what is indented further goes on with it
_ENTRY: Final = re.compile(r"^\*{0,2}(?P<name>\w+)\s*(?:\([^)]*\))?\s*:\s*(?P<text>.*)$")
_OTHER: Final = re.compile(r"^(?:Parameters\n-{3,}\s*$|[ \t]*[:@]param\b)", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Documentation:
    """A docstring, read.

    Attributes:
        description: What stands before the sections, each paragraph on one line.
        parameters: Parameter -> what it is, on one line.
    """

    description: str = ""
    parameters: dict[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, doc: str | None) -> Documentation:
        """Reads one in any of the four styles; never raises, whatever is written in it."""
        text = inspect.cleandoc(doc or "")
        if not text:
            return cls()
        return _parsed(text) or _google(text)


def _parsed(text: str) -> Documentation | None:
    """As docstring_parser reads it; None where it cannot, or is not there."""
    try:
        from docstring_parser import parse
    except ImportError:
        if _OTHER.search(text):
            log.warning(
                "a docstring in the style of NumPy or reST: what it says of the parameters is not "
                "read; pip install 'realtime_sync[tools]'"
            )
        return None
    try:
        read = parse(text)
    except Exception:  # prose that looks like markup makes it raise more than its ParseError
        return None
    # Attributes: are not what the function takes
    params = [param for param in read.params if param.args[0] != "attribute"]
    return Documentation(
        _paragraphs(read.description or ""),
        # NumPy's style describes several at once: "x, y : float"
        {
            name.strip().lstrip("*"): _line(param.description)
            for param in params
            for name in param.arg_name.split(",")
            if param.description
        },
    )


def _google(text: str) -> Documentation:
    sections = [m for m in _SECTION.finditer(text) if m["title"] in _SECTIONS]
    ends = [*(section.start() for section in sections[1:]), len(text)]
    parameters: dict[str, str] = {}
    for section, end in zip(sections, ends, strict=False):  # no section: one end too many
        if section["title"] in _PARAMETERS:
            parameters |= _entries(inspect.cleandoc("\n" + text[section.end() : end]))
    head = text[: sections[0].start()] if sections else _OTHER.split(text)[0]
    return Documentation(_paragraphs(head), parameters)


def _entries(section: str) -> dict[str, str]:
    found: dict[str, list[str]] = {}
    lines: list[str] = []
    for line in section.splitlines():
        entry = _ENTRY.match(line)
        if entry is not None:
            lines = found[entry["name"]] = [entry["text"]]
        elif line.startswith((" ", "\t")) or not line:
            lines.append(line)
        else:
            break  # back at the margin, and no parameter: prose
    return {name: _line(" ".join(lines)) for name, lines in found.items() if any(lines)}


def _paragraphs(text: str) -> str:
    return "\n\n".join(_line(part) for part in re.split(r"\n\s*\n", text) if part.strip())


def _line(text: str) -> str:
    return " ".join(text.split())
