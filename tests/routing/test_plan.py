from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from realtime_sync.errors import ConfigurationError
from realtime_sync.routing import StageRouter

TOML = """
background = "You are the voice of a bakery."

[stages.order]
accessible_from = "_start_"
goal = "Find out what the customer wants."
outcomes.nothing = {description = "They want nothing.", move_to = "_end_"}
"""


def faults(config: Any, **more: Any) -> list[str]:
    """What is wrong with it, a line each."""
    with pytest.raises(ConfigurationError) as raised:
        StageRouter(config, **more)
    return [line.strip() for line in str(raised.value).splitlines()]


def stage(**fields: Any) -> dict[str, Any]:
    return {"stages": {"a": {"accessible_from": "_start_", "goal": "g", **fields}}}


def test_a_table_without_faults(bakery: dict[str, Any]) -> None:
    """It loads, and the conversation stands at the one stage accessible from the start."""
    router = StageRouter(bakery)
    assert router.stages == ("order", "payment", "question", "complaint")
    assert router.stage == "order"


@pytest.mark.parametrize("kind", [str, Path])
def test_files(tmp_path: Path, bakery: dict[str, Any], kind: type) -> None:
    """A path of TOML or JSON loads as the dict that it holds."""
    (tmp_path / "stages.toml").write_text(TOML, encoding="utf-8")
    (tmp_path / "stages.json").write_text(json.dumps(bakery), encoding="utf-8")
    assert StageRouter(kind(tmp_path / "stages.toml")).outcomes == ("nothing",)
    assert StageRouter(kind(tmp_path / "stages.json")).stages == tuple(bakery["stages"])


@pytest.mark.parametrize(
    ("name", "text", "words"),
    [
        ("stages.toml", "a = 1\na = 2\nb = 3", "line 2"),
        ("stages.json", "{", "line 1"),
        ("stages.json", '{"stages": {"a": {}, "a": {}}}', "'a' is there twice"),
        ("stages.json", "[]", "a table is needed, not list"),
        ("stages.json", "[" * 100_000, ""),
        ("stages.toml", "\udcff", ""),
        ("stages.yaml", "stages:", "a .toml or .json file is needed"),
        ("missing.toml", None, "No such file"),
    ],
)
def test_files_that_cannot_be_read(tmp_path: Path, name: str, text: str, words: str) -> None:
    """The error names the file, and what is wrong with it."""
    path = tmp_path / name
    if text is not None:
        path.write_bytes(text.encode("utf-8", "surrogateescape"))
    (line,) = faults(path)
    assert line.startswith(str(path))
    assert words in line


@pytest.mark.parametrize("name", ["stages.toml", "stages.json"])
def test_a_byte_order_mark(tmp_path: Path, name: str) -> None:
    """Files of editors that begin with one load like others."""
    path = tmp_path / name
    toml = '[stages.a]\naccessible_from = "_start_"\ngoal = "g"\n'
    path.write_text(toml if name.endswith("toml") else json.dumps(stage()), encoding="utf-8-sig")
    assert StageRouter(path).stages == ("a",)


def test_a_file_is_named(tmp_path: Path) -> None:
    """Faults inside a file begin with its name."""
    path = tmp_path / "stages.toml"
    path.write_text('[stages.a]\naccessible_from = "_start_"\n', encoding="utf-8")
    assert faults(path) == [f"{path}: stages.a.goal: a text is needed"]


def test_all_faults_at_once() -> None:
    """Whatever is wrong, wherever, is told in one error, each with its key."""
    config = {
        "backround": "x",
        "background": 7,
        "stages": {
            "order": {
                "accessible_from": ["paymnet"],
                "outcomes": {
                    "ordered": {"move_to": "paymnet"},
                    "unsure": "payment",
                    "later": {},
                },
                "tools": "price_of",
            },
            "tools": {"goal": "x", "tools": [int], "template": "x", "custom_template": "y"},
            "payment": {"goal": "", "gaol": "x", "template": "{goal}"},
            "_odd_": {"goal": "x", "accessible_from": 3},
            "broken": None,
        },
    }
    lines = faults(config)
    assert lines[0] == "router: 17 faults"
    for line in (
        "backround: unknown key; do you mean 'background'?",
        "background: a text is needed, not int",
        "stages.order.goal: a text is needed",
        "stages.order.accessible_from: no stage 'paymnet'; do you mean 'payment'?",
        "stages.order.outcomes.ordered.move_to: no stage 'paymnet'; do you mean 'payment'?",
        'stages.order.outcomes.unsure: a table is needed, with "move_to", not str',
        "stages.order.outcomes.later.move_to: a text is needed",
        "stages.order.tools: a list is needed, not str",
        "stages.payment.goal: a text is needed, not an empty one",
        "stages._odd_: names between underscores are reserved; give it another",
        "stages._odd_.accessible_from: the name of a stage, or a list of names is needed, not int",
        "stages.broken: a table is needed, not nothing",
        'stages: one must be accessible_from = "_start_"; none is',
    ):
        assert line in lines
    assert "stages.tools.template: custom_template is the same; leave one out" in lines
    assert any(line.startswith("stages.tools.tools: a tool is a function") for line in lines)
    assert any(line.startswith("stages.payment.gaol: unknown key") for line in lines)
    assert any(line.startswith("stages.payment.template: no placeholder {goal}") for line in lines)


@pytest.mark.parametrize(
    ("config", "words"),
    [
        ({}, "stages: a table is needed"),
        ({"stages": {}}, "stages: at least one is needed"),
        ({"stages": []}, "stages: a table is needed, not list"),
        ({"stages": {3: {"goal": "x"}}}, "stages.3: the name of a stage is a line of text"),
        ({"stages": {"a\nb": {"goal": "x"}}}, "the name of a stage is a line of text"),
        (None, "config: a dict, or the path"),
        (stage(outcomes={"": {"move_to": "_end_"}}), "the name of an outcome is a line of text"),
        (stage(outcomes={"\r": {"move_to": "_end_"}}), "the name of an outcome is a line of text"),
        (stage(outcomes=""), "stages.a.outcomes: a table is needed, not str"),
        (stage(outcomes={"x": {"move_to": "_start_"}}), "no stage '_start_'"),
        (stage(accessible_from=["_start_", "_end_"]), "no stage '_end_'"),
        (stage(template="{background"), "expected '}' before end of string; a brace"),
        (stage(template="{background:{stage_name}}"), "{background} stands alone"),
        (stage(template="{background:>99999999999}"), "{background} stands alone"),
        (stage(template="{background!r}"), "{background} stands alone, without : or !"),
        (stage(template="{background.x}"), "no placeholder {background.x}"),
        (stage(template="{}"), "no placeholder {}"),
        (stage(custom_template="{oops}"), "stages.a.custom_template: no placeholder {oops}"),
        ({"template": "{oops}", **stage()}, "template: no placeholder {oops}"),
        (stage(tools=["x", "x"]), "stages.a.tools: 'x' is there twice"),
        (stage(tools=[int]), "stages.a.tools: a tool is a function"),
        (stage(tools=[{"type": "function"}]), "a tool of type 'function' needs a \"name\""),
        (stage(tools=["classify_response"]), "is the router's own tool; rename yours"),
    ],
)
def test_single_faults(config: Any, words: str) -> None:
    """Each names its key and the cure."""
    assert any(words in line for line in faults(config))


def test_two_starts(bakery: dict[str, Any]) -> None:
    """Of stages accessible from the start there is exactly one."""
    bakery["stages"]["payment"]["accessible_from"] = ["_start_"]
    assert faults(bakery) == [
        'router: stages: one must be accessible_from = "_start_"; these are: order, payment'
    ]


def test_an_outcome_with_the_name_of_a_stage(bakery: dict[str, Any]) -> None:
    """An outcome may be called like the stage that it moves to, but like no other way out."""
    outcomes = bakery["stages"]["order"]["outcomes"]
    outcomes["payment"] = {"move_to": "payment"}
    outcomes["question"] = {"move_to": "question"}
    assert "question" in StageRouter(bakery).outcomes
    outcomes["question"] = {"move_to": "payment"}
    (line,) = faults(bakery)
    assert "it moves to payment, but stage question can be entered from here" in line


def test_a_stage_that_is_never_reached(
    bakery: dict[str, Any], caplog: pytest.LogCaptureFixture
) -> None:
    """It is no fault, but a warning."""
    bakery["stages"]["orphan"] = {"goal": "x", "outcomes": {"done": {"move_to": "order"}}}
    StageRouter(bakery)
    assert "router: stage orphan is never reached" in caplog.text
