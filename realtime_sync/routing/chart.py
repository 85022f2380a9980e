"""The stages of a plan as a Mermaid chart. Text only: nothing is drawn, nothing is sent."""

from __future__ import annotations

from typing import Final

from .plan import BACKTRACK, END, Plan

__all__ = ["chart"]

# Mermaid's own; a backtick would begin Markdown, a bracket HTML
_ENTITIES: Final = str.maketrans(
    {"#": "#35;", '"': "#quot;", "`": "#96;", "&": "#amp;", "<": "#lt;", ">": "#gt;"}
)


def chart(plan: Plan) -> str:
    """A Mermaid flowchart: solid arrows are outcomes, dotted ones stages entered by their name."""
    keys = {name: f"s{number}" for number, name in enumerate(plan.stages)}
    lines = ["flowchart TD", "    begin((start))"]
    lines += [f'    {key}["{_quoted(name)}"]' for name, key in keys.items()]
    targets = {one.move_to for stage in plan.stages.values() for one in stage.outcomes.values()}
    if END in targets:
        lines.append("    finish((end))")
    if BACKTRACK in targets:
        lines.append('    back(["back to where it came from"])')
    lines.append(f"    begin --> {keys[plan.start]}")
    places = {**keys, END: "finish", BACKTRACK: "back"}
    for name, stage in plan.stages.items():
        for outcome, one in stage.outcomes.items():
            lines.append(f'    {keys[name]} -->|"{_quoted(outcome)}"| {places[one.move_to]}')
        lines += [f"    {keys[name]} -.-> {keys[other]}" for other in stage.transitions]
    return "\n".join(lines) + "\n"


def _quoted(text: str) -> str:
    return text.translate(_ENTITIES)
