"""What the model may do, and when: stages and agents. Pure state machines: no session, no thread.

A router says what the model is told where the conversation stands (a `Setting`), and gives it tools
by which it moves on. A call of one of them becomes a `Step`. Whoever drives the router (a session)
has the new setting confirmed first, then has the router take the step, then answers the call. So a
server that refuses leaves everything where it was.

- `router`: what every router is, and the words between it and its driver.
- `stages`: `StageRouter`: stages with goals and outcomes, as a table tells them.
- `plan`: that table, checked: all its faults at once.
- `prompt`: what the model reads in a stage.
- `chart`: the stages as a Mermaid chart.
- `agents`: `Agent`s that hand the conversation over to each other.
"""

from __future__ import annotations

from .agents import Agent, AgentRouter
from .router import Router, Setting, Step
from .stages import StageRouter

__all__ = ["Agent", "AgentRouter", "Router", "Setting", "StageRouter", "Step"]
