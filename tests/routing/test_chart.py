from __future__ import annotations

from typing import Any

from realtime_sync.routing import StageRouter


def test_the_chart(bakery: dict[str, Any]) -> None:
    """Solid arrows are outcomes, dotted ones stages that are entered by their name."""
    assert StageRouter(bakery).to_mermaid() == (
        "flowchart TD\n"
        "    begin((start))\n"
        '    s0["order"]\n'
        '    s1["payment"]\n'
        '    s2["question"]\n'
        '    s3["complaint"]\n'
        "    finish((end))\n"
        '    back(["back to where it came from"])\n'
        "    begin --> s0\n"
        '    s0 -->|"ordered"| s1\n'
        '    s0 -->|"nothing"| finish\n'
        "    s0 -.-> s2\n"
        '    s1 -->|"paid"| finish\n'
        '    s1 -->|"changed"| s0\n'
        "    s1 -.-> s2\n"
        "    s1 -.-> s3\n"
        '    s2 -->|"answered"| back\n'
        "    s2 -.-> s3\n"
        '    s3 -->|"calm"| back\n'
        "    s3 -.-> s2\n"
    )


def test_names_are_quoted() -> None:
    """No name can break the chart."""
    stage = {"accessible_from": "_start_", "goal": "g"}
    text = StageRouter({"stages": {'end"; #1 `x` <b>&': stage}}).to_mermaid()
    assert '    s0["end#quot;; #35;1 #96;x#96; #lt;b#gt;#amp;"]\n' in text
    assert "finish" not in text
    assert "back" not in text
