"""The documentation builds without a warning, and says what the package says."""

from __future__ import annotations

import importlib.util
import inspect
import re
import subprocess
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from realtime_sync import Azure, Compatible, OpenAI, RealtimeSession, ReconnectPolicy, errors
from realtime_sync.configuration.arguments import KEYS, POLICY, TALK
from realtime_sync.configuration.places import COMMON, TYPES
from realtime_sync.local import LocalServer
from realtime_sync.text import AssistantSession, ChatSession
from realtime_sync.transcription import TranscriptionSession
from realtime_sync.translation import TranslationSession

ROOT = Path(__file__).resolve().parent.parent
DOCS = ROOT / "docs"
#: What people call with many arguments.
DESCRIBED = (
    *(RealtimeSession, TranscriptionSession, TranslationSession, ChatSession, AssistantSession),
    *(RealtimeSession.talk, ReconnectPolicy, OpenAI, Azure, Compatible, LocalServer),
)
#: Tables of a file of configuration: what may stand in each.
TABLES = (TALK, POLICY, COMMON, *(own for _, own in TYPES.values()))


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


def described(thing: object) -> set[str]:
    """The names that a docstring has a line for, among its arguments or attributes."""
    lines = re.findall(r"^    (\w[\w, ]*): \S", inspect.getdoc(thing) or "", re.MULTILINE)
    return {name.strip() for line in lines for name in line.split(",")}


@pytest.mark.parametrize("thing", DESCRIBED)
def test_every_argument_is_described(thing: Any) -> None:
    """Fields of the configuration in short are arguments like any other: each has its line."""
    assert {*inspect.signature(thing).parameters} - {"self"} <= described(thing)


def test_every_key_of_a_file_is_described() -> None:
    """Where it is an argument, there; else in the how-to, as are the keys of each table."""
    page = (DOCS / "howto" / "configuration.rst").read_text(encoding="utf-8")
    own = {*KEYS} - described(RealtimeSession)
    places = {key for table in TABLES for key in table}
    assert {key for key in own | places if not re.search(rf"\b{key}\b", page)} == set()


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
