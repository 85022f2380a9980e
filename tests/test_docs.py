"""The documentation builds without a warning, and says what the package says."""

from __future__ import annotations

import importlib.util
import re
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

from realtime_sync import errors

ROOT = Path(__file__).resolve().parent.parent
DOCS = ROOT / "docs"


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The pages, made anew, every warning an error."""
    for package in ("sphinx", "furo"):
        if importlib.util.find_spec(package) is None:
            pytest.skip('needs: pip install ".[docs]"')
    where = tmp_path_factory.mktemp("pages")
    done = subprocess.run(
        [sys.executable, "-m", "sphinx", "-q", "-W", "--keep-going", str(DOCS), str(where)],
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert (done.returncode, done.stderr) == (0, ""), done.stderr
    return where


@pytest.fixture(scope="module")
def directives() -> ModuleType:
    """docs/directives.py, which makes tables from the package."""
    pytest.importorskip("sphinx", reason='needs: pip install ".[docs]"')
    spec = importlib.util.spec_from_file_location("directives", DOCS / "directives.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.long
def test_it_builds_without_a_warning(built: Path) -> None:
    """Each source is a page, with the names, errors and events of the package in it."""
    for source in DOCS.rglob("*.rst"):
        assert (built / source.relative_to(DOCS).with_suffix(".html")).exists()
    reference = built / "reference"
    assert 'id="realtime_sync.RealtimeSession.ask"' in (reference / "session.html").read_text()
    assert "response.output_text.delta" in (reference / "events.html").read_text()
    said = re.sub(r"<[^>]+>", "", (built / "errors.html").read_text(encoding="utf-8"))
    assert "Check the key: OPENAI_API_KEY" in said
    assert "max_tokens: a number of tokens from 1 on, or None" in said


@pytest.mark.parametrize("name", errors.__all__[1:])
def test_every_error_names_its_cure(name: str) -> None:
    """Its docstring, of which the table of errors is made, says what to do."""
    # from 3.13 on a docstring has lost its indentation
    assert re.search(r"\sCure: ", getattr(errors, name).__doc__ or "")


def test_texts_are_found_in_the_sources(directives: ModuleType) -> None:
    """What a text puts in is an ellipsis; the texts of every kind are many."""
    texts = set(directives.raised("ConfigurationError"))
    assert len(texts) > 100
    assert any("…" in text for text in texts)


def test_every_error_with_texts_has_its_place(directives: ModuleType) -> None:
    """Whoever searches the page finds what the terminal says, whichever branch has said it."""
    page = (DOCS / "errors.rst").read_text(encoding="utf-8")
    for name in errors.__all__[1:]:
        assert not directives.raised(name) or f".. error-texts:: {name}\n" in page, name
    assert any(
        text.startswith("…: it is empty") for text in directives.raised("ConfigurationError")
    )
