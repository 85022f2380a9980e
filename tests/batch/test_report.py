"""The page about a run."""

from __future__ import annotations

from pathlib import Path
from xml.etree import ElementTree

from realtime_sync.batch import Result, report


def results() -> list[Result]:
    """A hundred conversations, some of which failed."""
    found = []
    for n in range(100):
        check = {"what": "tool: <price>", "passed": n % 4 != 0}
        turn = {"said": "secret words", "first": 0.2 + n / 100, "checks": [check]}
        value = {"passed": n % 4 != 0, "score": 1.0 - (n % 4 == 0) / 2, "turns": [turn]}
        common = {"job": f"job {n}", "seconds": n / 10, "tokens": 10, "finished": 1000.0 + n}
        if n % 10 == 3:
            error = {"type": "Lost<b>", "message": "<script>alert(1)</script>", "code": "gone"}
            found.append(Result(status="failed", error=error, **common))
        else:
            found.append(Result(status="completed", value=value, minutes=0.5, **common))
    return found


def page(path: Path) -> str:
    report(results(), path, title="Shop & co")
    return path.read_text(encoding="utf-8")


def test_what_it_says(tmp_path: Path) -> None:
    """Figures, charts, checks, the worst first, and errors by kind; foreign text is only text."""
    text = page(tmp_path / "report.html")
    for said in ("Shop &amp; co", "<dd>90</dd>", "<dd>1,000</dd>", "60.0", "65 of 90", "86%"):
        assert said in text, said
    assert '<td>tool: &lt;price&gt;<td class="n">65<td class="n">25' in text
    assert "Lost&lt;b&gt; (gone)" in text
    assert "job 3, job 13, job 23, job 33, job 43 and 5 more" in text
    assert "<script" not in text
    assert "secret words" not in text


def test_its_drawings(tmp_path: Path) -> None:
    """Each is SVG, within its frame, and its bars stand for all values."""
    text = page(tmp_path / "report.html")
    drawings = ["<svg" + one.split("</svg>")[0] + "</svg>" for one in text.split("<svg")[1:]]
    assert len(drawings) == 4
    for drawing in drawings:
        root = ElementTree.fromstring(drawing)
        bars = root.findall("rect")
        counted = sum(int(bar[0].text or 0) for bar in bars)
        assert f"{counted} values" in root.attrib["aria-label"]
        for bar in bars:
            x, y, width, height = (float(bar.attrib[n]) for n in ("x", "y", "width", "height"))
            assert 0 <= x <= x + width <= 640
            assert 0 <= y <= y + height <= 180


def test_of_nothing(tmp_path: Path) -> None:
    """A run without jobs, and one whose only job failed at once, have pages too."""
    report([], tmp_path / "a.html")
    report([Result("x", "crashed", error={})], tmp_path / "b.html")
    assert "crashed" in (tmp_path / "b.html").read_text()
