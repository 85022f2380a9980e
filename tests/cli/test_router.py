"""`realtime-sync router` and `realtime-sync completion`."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from realtime_sync import StageRouter

from .conftest import Run

STAGES: dict[str, Any] = {
    "background": "You are a bakery.",
    "stages": {
        "order": {
            "accessible_from": "_start_",
            "goal": "Find out what they want.",
            "tools": ["price_of"],
            "outcomes": {"ordered": {"description": "It is clear.", "move_to": "payment"}},
        },
        "payment": {
            "goal": "Ask for \x1b[31mcash.",
            "outcomes": {"paid": {"description": "They paid.", "move_to": "_end_"}},
        },
        "question": {
            "goal": "Answer it.",
            "accessible_from": "order",
            "outcomes": {"answered": {"description": "It is.", "move_to": "_backtrack_"}},
        },
    },
}


def write(path: Path, stages: dict[str, Any]) -> str:
    """Write them down; the file's name."""
    path.write_text(json.dumps(stages), encoding="utf-8")
    return str(path)


def test_stages_are_shown(run: Run, tmp_path: Path) -> None:
    """Each stage with its goal, tools and ways out; nothing in it steers a terminal."""
    done = run("router", write(tmp_path / "bakery.json", STAGES))
    assert (done.returncode, done.stderr) == (0, "")
    assert [line.rstrip() for line in done.stdout.splitlines()] == [
        "order  begins",
        "  Find out what they want.",
        "  tools: price_of",
        "  ordered → payment  It is clear.",
        "  by name → question",
        "payment",
        "  Ask for �[31mcash.",
        "  paid → the end  They paid.",
        "question",
        "  Answer it.",
        "  answered → _backtrack_  It is.",
    ]


def test_as_a_chart(run: Run, tmp_path: Path) -> None:
    """--mermaid prints what `to_mermaid` gives."""
    file = write(tmp_path / "bakery.json", STAGES)
    done = run("router", file, "--mermaid")
    assert done.stdout == StageRouter(file).to_mermaid()


def test_every_fault_is_named(run: Run, tmp_path: Path) -> None:
    """Each in a line of its own, with its key; exit code 1."""
    wrong = {"stages": {"a": {"accessible_from": "_start_", "gaol": "x"}, "b": {"goal": 2}}}
    done = run("router", write(tmp_path / "wrong.json", wrong))
    assert done.returncode == 1
    head, *faults = done.stderr.splitlines()
    assert head.endswith("wrong.json: 3 faults")
    assert [fault.split(":")[0].strip() for fault in faults] == [
        "stages.a.gaol",
        "stages.a.goal",
        "stages.b.goal",
    ]


def test_a_stage_that_is_never_reached(run: Run, tmp_path: Path) -> None:
    """It is no fault, but it is told."""
    lost = {**STAGES, "stages": {**STAGES["stages"], "lost": STAGES["stages"]["payment"]}}
    done = run("router", write(tmp_path / "bakery.json", lost), "--mermaid")
    assert done.returncode == 0
    assert "stage lost is never reached" in done.stderr


def test_a_file_that_is_not_there(run: Run) -> None:
    """The error names it."""
    done = run("router", "nowhere.toml")
    assert done.returncode == 2
    assert "nowhere.toml" in done.stderr


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_a_script_for_each_shell(run: Run, shell: str) -> None:
    """It names the command and asks it for what may follow."""
    done = run("completion", shell)
    assert (done.returncode, done.stderr) == (0, "")
    assert "realtime-sync" in done.stdout
    assert f"_REALTIME_SYNC_COMPLETE={shell}_complete" in done.stdout


@pytest.fixture
def command(tmp_path: Path) -> Path:
    """The command by its own name, in a folder."""
    bash = shutil.which("bash")
    if bash is None:
        pytest.skip("bash is not here")
    (tmp_path / "bin").mkdir()
    path = tmp_path / "bin" / "realtime-sync"
    path.write_text(f'#!{bash}\nexec "{sys.executable}" -m realtime_sync "$@"\n')
    path.chmod(0o755)
    return path


def test_bash_completes(command: Path) -> None:
    """After the script, bash finds commands, options and choices by their beginning."""
    script = (
        f'PATH="{command.parent}:$PATH"; eval "$(realtime-sync completion bash)"\n'
        + "\n".join(
            f"COMP_WORDS=(realtime-sync {words}) COMP_CWORD={len(words.split())} COMPREPLY=()\n"
            '_realtime_sync_completion realtime-sync; echo "${COMPREPLY[@]}"'
            for words in ("tra", "ask --co", "ask --api", "talk --echo n")
        )
    )
    done = subprocess.run(["bash", "-c", script], capture_output=True, text=True, timeout=100)
    assert done.stdout.splitlines() == [
        "transcribe translate",
        "--config",
        "--api-key --api-key-env",
        "none",
    ]


@pytest.mark.skipif(os.name == "nt", reason="pseudo-terminals are POSIX")
def test_bash_completes_files(
    command: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At its prompt, where an argument or an option is a file."""
    from .terminal import Terminal

    (tmp_path / "my-recording.jsonl").touch()
    (tmp_path / "my-agent.toml").touch()
    monkeypatch.setenv("PATH", f"{command.parent}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("PS1", "ready> ")
    with Terminal("--norc", "--noprofile", where=tmp_path, program=["bash"], columns=200) as term:
        term.expect("ready> ")
        term.type('eval "$(realtime-sync completion bash)"; echo completion is "th"ere\r')
        term.expect("completion is there")
        term.expect("ready> ")
        term.type("realtime-sync replay my-r\t")
        term.expect("replay my-recording.jsonl ")
        term.type("\x15realtime-sync talk --config my-a\t")
        term.expect("talk --config my-agent.toml ")
        term.type("\x15exit\r")
        term.ended()
