"""Dotted paths of functions."""

from __future__ import annotations

import math
from pathlib import Path

import pytest

from realtime_sync.errors import ConfigurationError
from realtime_sync.tools.paths import resolved


def test_what_it_names() -> None:
    """A function of a module, or an attribute of an object there; what is no text is itself."""
    assert resolved("math:floor") is math.floor
    assert resolved("pathlib:Path.home") == Path.home
    assert resolved(math.floor) is math.floor


@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("math.floor", "'math.floor' is no dotted path: \"package.module:name\" is needed"),
        ("math:", "is no dotted path"),
        ("../math:floor", "is no dotted path"),
        ("broken:prise", "there is no 'prise' in broken; do you mean 'price'?"),
        ("broken:zzz", "there is no 'zzz' in broken; there are: price"),
        ("nowhere.shop:price", "there is no module 'nowhere' where Python looks; install it"),
        ("email.nowhere:price", "there is no module 'email.nowhere' where Python looks"),
        ("needy:price", "needy raises ModuleNotFoundError: No module named 'nowhere' ("),
        ("raising:price", "raising raises ZeroDivisionError: division by zero ("),
        ("raising:price", "raising.py, line 2); mend that first"),
        ("leaving:price", "leaving raises SystemExit: 3 ("),
        ("unfinished:price", "unfinished raises SyntaxError"),
        ("unfinished:price", "unfinished.py, line 1)"),
    ],
)
def test_what_it_cannot_name(
    path: str, words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The error says whether it is the path, the module, what that needs, or the name."""
    for name, code in {
        "broken": "from math import floor\n_hidden = 1\ndef price(): ...\n",
        "needy": "import nowhere\n",
        "raising": "\n1 / 0\n",
        "leaving": "import sys\nsys.exit(3)\n",
        "unfinished": "def price(:\n",
    }.items():
        (tmp_path / f"{name}.py").write_text(code, encoding="utf-8")
    monkeypatch.syspath_prepend(str(tmp_path))
    with pytest.raises(ConfigurationError) as caught:
        resolved(path)
    assert words in str(caught.value)
