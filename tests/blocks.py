"""The programs in the documentation: README.rst and the pages of docs/, by their names."""

from __future__ import annotations

import re
from pathlib import Path
from textwrap import dedent

ROOT = Path(__file__).resolve().parent.parent
PAGES = [ROOT / "README.rst", *sorted((ROOT / "docs").rglob("*.rst"))]

_BLOCK = re.compile(
    r"^\.\. code-block:: python\n   :name: (?P<name>\S+)\n\n(?P<code>(?:   .*\n|\n)+)", re.MULTILINE
)

#: Name -> the program.
BLOCKS: dict[str, str] = {}
#: Name -> where it stands.
PLACES: dict[str, str] = {}
#: Pages with a program that has no name, or one that another has.
UNNAMED: list[str] = []

for page in PAGES:
    text, place = page.read_text(encoding="utf-8"), str(page.relative_to(ROOT))
    found = {match["name"]: dedent(match["code"]) for match in _BLOCK.finditer(text)}
    if text.count("code-block:: python") != len(found) or found.keys() & BLOCKS.keys():
        UNNAMED.append(place)
    BLOCKS.update(found)
    PLACES.update(dict.fromkeys(found, place))
