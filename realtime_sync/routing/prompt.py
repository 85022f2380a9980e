"""What the model reads in a stage. Knows no tool and no session."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from .plan import Plan, Stage

__all__ = ["END_TOOL", "MOVE_TOOL", "at_the_end", "in_stage"]

#: The tools by which the model moves on, and ends; names that models of intentional know.
MOVE_TOOL: Final = "classify_response"
END_TOOL: Final = "end_conversation"


def in_stage(plan: Plan, stage: Stage) -> str:
    """The instructions in a stage."""
    outcomes = _listed((name, one.description) for name, one in stage.outcomes.items())
    ways = _listed((name, plan.stages[name].description) for name in stage.transitions)
    template = stage.template or plan.template
    if template is not None:
        return template.format(
            background=plan.background,
            stage_name=stage.name,
            current_goal=stage.goal,
            outcomes=outcomes or "(none)",
            transitions=ways or "(none)",
            intent_router_tool=MOVE_TOOL,
        )
    paragraphs = [
        plan.background,
        f'The conversation is in the stage "{stage.name}". Your goal in it: {stage.goal}',
        outcomes
        and f"As soon as one of these outcomes is there, call {MOVE_TOOL} with its name:\n"
        f"{outcomes}",
        ways
        and "If the user wants something else that is listed here, call "
        f"{MOVE_TOOL} with its name:\n{ways}",
        (outcomes or ways)
        and "Do not guess: talk to the user until you are sure. Never mention stages, outcomes or "
        "tools to the user.",
    ]
    return "\n\n".join(paragraph for paragraph in paragraphs if paragraph)


def at_the_end(plan: Plan) -> str:
    """The instructions once the conversation is to end."""
    words = f"The conversation is over. Say goodbye in one short sentence, and call {END_TOOL}."
    return f"{plan.background}\n\n{words}".strip()


def _listed(lines: Iterable[tuple[str, str]]) -> str:
    return "\n".join(f"- {name}: {text}" if text else f"- {name}" for name, text in lines)
