"""The pytest plugin, in runs of its own."""

from __future__ import annotations

import importlib
import pkgutil
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

import pytest
from blocks import BLOCKS

import realtime_sync

ROOT = Path(__file__).resolve().parent.parent
PLUGIN = "realtime_sync.plugin"
Result = Any


@pytest.fixture(scope="module", autouse=True)
def _all_imported() -> None:
    """All of the package is imported, before pytester looks.

    It takes what its runs have imported out of `sys.modules` again, and whoever imports that once
    more has every class of it twice.
    """
    for module in pkgutil.walk_packages(realtime_sync.__path__, "realtime_sync."):
        if not module.name.endswith(("__main__", "backend", "libsndfile")):
            importlib.import_module(module.name)


@pytest.fixture
def run(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Runs one file of tests, as strictly as our own are run."""
    monkeypatch.setenv("PYTHONPATH", str(ROOT))

    def tests(code: str, *options: str, own: bool = False) -> Result:
        pytester.makepyfile(code)
        how = pytester.runpytest_subprocess if own else pytester.runpytest_inprocess
        return how("-p", PLUGIN, "--strict-markers", "-W", "error", *options)

    return tests


def test_the_fixture(run: Any) -> None:
    """Code that is given no argument talks to the server; what was there before is there again."""
    result = run(
        """
        import os
        import pytest
        from realtime_sync import RealtimeSession

        def chat(text):
            with RealtimeSession(output_modalities=["text"]) as session:
                return session.ask(text).text

        def test_rules(realtime_server):
            assert chat("count to 3") == "1, 2, 3."
            assert os.environ["OPENAI_BASE_URL"] == realtime_server.url
            assert realtime_server.received

        def test_scripted(realtime_server):
            realtime_server.reply("Paris.")
            assert chat("Where?") == "Paris."

        @pytest.mark.parametrize("number", [1, 2])
        def test_environment(number):
            assert "OPENAI_API_KEY" not in os.environ
        """
    )
    result.assert_outcomes(passed=4)


def test_a_session_that_is_left_open(run: Any) -> None:
    """It ends with its test: it neither reaches the server of the next one nor the real one."""
    result = run(
        """
        from realtime_sync import RealtimeSession

        left = []

        def test_first(realtime_server):
            session = RealtimeSession(output_modalities=["text"])
            left.append(session.open())
            session.ask("from the first")

        def test_second(realtime_server):
            assert left[0].state == "closed"
            with RealtimeSession(output_modalities=["text"]) as session:
                session.ask("from the second")
            assert "first" not in str(realtime_server.received)
        """
    )
    result.assert_outcomes(passed=2)


def test_the_example(run: Any) -> None:
    """The documentation's test passes as it stands."""
    run(BLOCKS["plugin-example"]).assert_outcomes(passed=1)


def test_scripted_answers(run: Any) -> None:
    """Markers say what is answered, from the module's to the test's, and there from the top."""
    result = run(
        """
        import pytest
        from realtime_sync import RealtimeSession
        from realtime_sync.local import call

        pytestmark = pytest.mark.realtime_reply("first")

        def lookup(city: str) -> str:
            '''Looks it up.'''
            return f"Rain in {city}."

        @pytest.mark.realtime_reply("second", call("lookup", city="Oslo"))
        @pytest.mark.realtime_reply(lambda server: ["Wet", ", so wet."], RuntimeError("hiccups"))
        def test_it(realtime_server, assert_said, assert_called):
            with RealtimeSession(output_modalities=["text"], tools=[lookup]) as session:
                assert [session.ask(text).text for text in "abc"] == [
                    "first", "second", "Wet, so wet."
                ]
                with pytest.raises(Exception, match="hiccups"):
                    session.ask("d")
            assert_said("wet", role="assistant")
            assert assert_called("lookup", city="Oslo").output == "Rain in Oslo."

        @pytest.mark.realtime_server(speed=1.0, dialect="beta")
        def test_options(realtime_server):
            assert realtime_server.endpoint.dialect == "beta"
        """
    )
    result.assert_outcomes(passed=2)


def test_a_recording(run: Any, pytester: pytest.Pytester) -> None:
    """A file beside the test is played."""
    from realtime_sync import RealtimeSession
    from realtime_sync.local import LocalServer

    folder = pytester.mkdir("bugs")
    with LocalServer(speed=None) as server:
        server.reply("It fell over.")
        with RealtimeSession(endpoint=server.endpoint, output_modalities=["text"]) as session:
            session.record(folder / "a.jsonl")
            session.ask("What happened?")
    result = run(
        """
        import pytest
        from realtime_sync import RealtimeSession

        @pytest.mark.realtime_server(recording="bugs/a.jsonl")
        def test_it(realtime_server, assert_said):
            with RealtimeSession(output_modalities=["text"]) as session:
                assert session.ask("What happened?").text == "It fell over."
            assert_said("What happened?", role="user")

        @pytest.mark.realtime_reply("x")
        @pytest.mark.realtime_server(recording="bugs/a.jsonl")
        def test_both(realtime_server):
            pass

        @pytest.mark.realtime_server(recording="none.jsonl")
        def test_none(realtime_server):
            pass
        """
    )
    result.assert_outcomes(passed=1, errors=2)
    result.stdout.fnmatch_lines(
        ["*a recording has its own answers*", "*realtime_server: *No such file*"]
    )


def test_assertions_that_fail(run: Any) -> None:
    """They say what there was instead, at the test's own line."""
    result = run(
        """
        import pytest
        from realtime_sync import RealtimeSession

        @pytest.fixture(autouse=True)
        def hello(realtime_server):
            with RealtimeSession(output_modalities=["text"]) as session:
                session.ask("Hello!")

        def test_said(assert_said):
            assert_said("Goodbye", timeout=0.1)

        def test_called(assert_called, monkeypatch):
            monkeypatch.setattr("realtime_sync.local.server._PATIENCE", 0.1)
            assert_called("lookup", city="Oslo")

        def test_no_words(assert_said):
            assert_said(5)
        """
    )
    result.assert_outcomes(failed=3)
    result.stdout.fnmatch_lines(
        [
            '>*assert_said("Goodbye"*',
            "E*AssertionError: nobody said 'Goodbye'; what was said:",
            "E*user: Hello!",
            "E*AssertionError: no call lookup(city='Oslo') was answered; what was called: nothing",
            "E*TypeError: words: a text or a pattern is needed, not int",
        ]
    )
    assert "server.py" not in result.stdout.str()


@pytest.mark.parametrize(
    ("mark", "words"),
    [
        ("realtime_reply('x')", "realtime_reply: the test does not take the fixture"),
        ("realtime_server(speed=1)", "realtime_server: the test does not take the fixture"),
    ],
)
def test_a_marker_without_the_fixture(run: Any, mark: str, words: str) -> None:
    """A marker that would do nothing fails its test, and says what is missing."""
    result = run(f"import pytest\n\n@pytest.mark.{mark}\ndef test_it(): pass\n")
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines([f"*{words}*"])


@pytest.mark.parametrize(
    ("mark", "words"),
    [
        ("realtime_server(1)", "its options have names"),
        ("realtime_server(sped=1)", "sped"),
        ("realtime_server(speed=-1)", "speed is -1"),
        ("realtime_server(recording=5)", "recording: a path is needed, not int"),
        ("realtime_reply(object())", "realtime_reply: reply() takes str"),
        ("realtime_reply(text='x')", "without names"),
        ("realtime_reply", "answers are needed"),
    ],
)
def test_markers_that_cannot_be(run: Any, mark: str, words: str) -> None:
    """What LocalServer does not take is an error of the test that says so."""
    code = f"import pytest\n\n@pytest.mark.{mark}\ndef test_it(realtime_server): pass\n"
    result = run(code)
    result.assert_outcomes(errors=1)
    shown = result.stdout.str()
    assert words in shown
    assert "plugin.py" not in shown


def test_nothing_is_imported_before_the_fixture(pytester: pytest.Pytester, run: Any) -> None:
    """Not while pytest starts, collects and runs tests that do without, nor the package itself."""
    pytester.makeconftest(
        """
        import sys

        def ours():
            return [name for name in sys.modules if name.split(".")[0] == "realtime_sync"]

        FIRST = ours()
        """
    )
    result = run(
        """
        from conftest import FIRST, ours

        def test_before(pytestconfig):
            assert pytestconfig.pluginmanager.has_plugin("realtime_sync.plugin")
            assert FIRST == ours() == []

        def test_with(realtime_server):
            assert "realtime_sync.local" in ours()
        """,
        own=True,
    )
    result.assert_outcomes(passed=2)


def test_it_is_installed_with_the_package() -> None:
    """pytest finds it by itself; an editable install from before it is to be made again."""
    found = entry_points(group="pytest11", name=PLUGIN)
    assert {one.value for one in found} == {PLUGIN}, "run: pip install -e ."


def test_markers_are_explained(run: Any) -> None:
    """`pytest --markers` and `--fixtures` say what there is."""
    shown = run("def test(): pass", "--markers").stdout.str()
    assert "realtime_reply(*answers)" in shown
    assert "realtime_server(**options)" in shown
    shown = run("def test(): pass", "--fixtures").stdout.str()
    for name in ("realtime_server", "assert_said", "assert_called"):
        assert name in shown
