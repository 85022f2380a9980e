from __future__ import annotations

from typing import Any

from realtime_sync.routing import StageRouter


def test_the_prompt_of_a_stage(bakery: dict[str, Any]) -> None:
    """It tells background, goal, outcomes, and stages that can be entered, with what they mean."""
    text = StageRouter(bakery).instructions
    assert text.startswith("You are the voice of a bakery.\n\n")
    assert 'in the stage "order". Your goal in it: Find out what the customer wants.' in text
    assert "- ordered: The order is clear.\n- nothing: They want nothing." in text
    assert "- question: The customer asks something about the bakery." in text
    assert "call classify_response" in text
    assert "payment" not in text


def test_a_stage_without_description(bakery: dict[str, Any]) -> None:
    """Its goal says when to enter it."""
    del bakery["stages"]["question"]["description"]
    assert "- question: Answer a question." in StageRouter(bakery).instructions


def test_an_outcome_without_description(bakery: dict[str, Any]) -> None:
    """Its name has to do."""
    router = StageRouter(bakery)
    router.bind(())
    router.take(router.step("ordered"))
    assert "\n- paid\n- changed\n" in router.instructions


def test_templates(bakery: dict[str, Any]) -> None:
    """A stage's own template goes before that of all, and braces can be written twice."""
    bakery["template"] = "{background} {stage_name}: {current_goal} {{}} {intent_router_tool}"
    bakery["stages"]["payment"]["custom_template"] = "{outcomes}|{transitions}"
    bakery["stages"]["question"]["accessible_from"] = "order"
    bakery["stages"]["complaint"]["accessible_from"] = "question"
    router = StageRouter(bakery)
    router.bind(())
    assert router.instructions == (
        "You are the voice of a bakery. order: Find out what the customer wants. {} "
        "classify_response"
    )
    router.take(router.step("ordered"))
    assert router.instructions == "- paid\n- changed|(none)"


def test_braces_in_texts(bakery: dict[str, Any]) -> None:
    """What goes into a template is not read as one."""
    bakery["background"] = "{0} {stage_name}"
    bakery["template"] = "{background}"
    assert StageRouter(bakery).instructions == "{0} {stage_name}"
