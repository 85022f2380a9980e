"""`realtime-sync batch`."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from realtime_sync.audio import write_wav
from realtime_sync.local import LocalServer
from realtime_sync.local.speech import tones

from .conftest import Run


@pytest.fixture
def talks(tmp_path: Path) -> Path:
    """Two conversations, of which one is not as expected."""
    path = tmp_path / "talks.jsonl"
    turns = ({"say": "Count to 3", "text": "1, 2, 3"}, {"say": "Count to 3", "text": "four"})
    lines = (json.dumps({"id": n, "turns": [turn]}) for n, turn in enumerate(turns))
    path.write_text("\n".join(lines), encoding="utf-8")
    return path


def test_conversations(run: Run, server: LocalServer, talks: Path, tmp_path: Path) -> None:
    """Held, scored, and reported; not all as expected is exit code 1, also when run again."""
    out, page = tmp_path / "results.jsonl", tmp_path / "report.html"
    command = ["batch", str(talks), "--url", server.url, "--api-key", "any"]
    command += ["--results", str(out), "--report", str(page)]
    for _ in "12":
        done = run(*command)
        assert (done.returncode, done.stderr) == (1, "")
        assert done.stdout.startswith("2 of 2 jobs: 2 completed; ")
        assert "1 not as expected" in done.stdout
        assert len(out.read_text(encoding="utf-8").splitlines()) == 2
        assert "1 of 2" in page.read_text(encoding="utf-8")
    assert len([e for e in server.received if e["type"] == "response.create"]) == 2


def test_recordings(run: Run, tmp_path: Path) -> None:
    """A folder, by the embedded server where there is no key; a file that is none is told."""
    folder = tmp_path / "calls"
    folder.mkdir()
    write_wav(folder / "a.wav", tones("one"))
    done = run("batch", str(folder), "--results", str(tmp_path / "x.jsonl"), "--total-minutes", "9")
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("1 of 1 jobs: 1 completed")
    assert "the embedded server answers" in done.stderr
    (folder / "b.wav").write_text("la la la")
    done = run("batch", str(folder), "--results", str(tmp_path / "x.jsonl"))
    assert done.returncode == 1
    # with or without soundfile, which has words of its own for it
    assert re.search(r"1  Audio\w+: \S+b\.wav (is no|cannot be read)", done.stdout)


def test_a_tool_in_the_current_folder(
    server: LocalServer, talks: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A console script finds it too, and its processes; the error says where it was looked for."""
    script = tmp_path / "bin" / "realtime-sync"
    script.parent.mkdir()
    script.write_text(
        "from realtime_sync.__main__ import main\nif __name__ == '__main__':\n    main()\n"
    )
    (tmp_path / "shopx.py").write_text("def price(item: str) -> int:\n    return 3\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("PYTHONPATH", raising=False)
    command = [sys.executable, str(script), "batch", str(talks), "--processes", "1"]
    command += ["--url", server.url, "--api-key", "any", "--tool"]

    def done(tool: str) -> tuple[int, str]:
        ended = subprocess.run(
            [*command, tool], capture_output=True, text=True, timeout=60, check=False
        )
        return ended.returncode, ended.stdout + ended.stderr

    code, said = done("shopx:price")
    assert code == 1, said  # one is not as expected
    assert "2 of 2 jobs: 2 completed" in said
    code, said = done("nowhere:price")
    assert code == 2
    assert f"in the current folder, too: {tmp_path}" in " ".join(said.split())


@pytest.mark.parametrize(
    ("talk", "option"),
    [
        (True, ["--language", "en"]),
        (False, ["--tool", "shop:price"]),
        (False, ["--chat"]),
        (False, ["--user-model", "any"]),
        (False, ["--instructions", "Be brief."]),
    ],
)
def test_an_option_of_the_other_kind(
    talk: bool, option: list[str], run: Run, talks: Path, tmp_path: Path
) -> None:
    """What these jobs would not heed is refused before the first; the option and the cure named."""
    write_wav(tmp_path / "a.wav", tones("one"))
    path, out = talks if talk else tmp_path / "a.wav", tmp_path / "results.jsonl"
    done = run("batch", str(path), *option, "--results", str(out))
    said = " ".join(done.stderr.split())
    kind, cure = ("recordings", "sound files") if talk else ("conversations", "a file of them")
    assert done.returncode == 2
    assert f"{option[0]} is of {kind}" in said
    assert f"leave it out, or give {cure}" in said
    assert not out.exists()


@pytest.mark.parametrize("option", ["--chat", "--user-model"])
def test_without_the_package_of_text_models(
    option: str, without: Run, talks: Path, tmp_path: Path
) -> None:
    """It is told before the first job, not as a failure of each."""
    out = tmp_path / "results.jsonl"
    given = [option] if option == "--chat" else [option, "gpt-5"]
    done = without("openai", "batch", str(talks), *given, "--model", "m", "--results", str(out))
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("Error: text models need the package openai: pip install")
    assert not out.exists()


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="has no /dev/full")
def test_results_into_a_device(run: Run, talks: Path) -> None:
    """What has no end is not waited for."""
    done = run("batch", str(talks), "--results", "/dev/full")
    assert done.returncode == 1
    assert "Error: results: /dev/full cannot be read back" in done.stderr


def test_wrong_usage(run: Run, talks: Path, tmp_path: Path) -> None:
    """Two kinds of jobs, and two places, are too many; a line that is no conversation is named."""
    write_wav(tmp_path / "a.wav", tones("one"))
    assert run("batch", str(talks), str(tmp_path / "a.wav")).returncode == 2
    assert run("batch", str(talks), "--processes", "2", "--dask", "tcp://x").returncode == 2
    done = run("batch", str(talks), "--chat")
    assert (done.returncode, "--chat needs --model" in done.stderr) == (2, True)
    out = tmp_path / "results.jsonl"
    for page in (tmp_path / "nope" / "x.html", talks):
        done = run("batch", str(talks), "--report", str(page), "--results", str(out))
        assert (done.returncode, "--report" in done.stderr) == (2, True)
    assert not out.exists()
    talks.write_text("{}\n")
    done = run("batch", str(talks), "--url", "http://127.0.0.1:9", "--api-key", "any")
    assert done.returncode == 1
    assert "line 1" in done.stderr
