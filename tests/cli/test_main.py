from __future__ import annotations

import os
import subprocess
import sys

import click
import pytest

import realtime_sync
from realtime_sync.cli.group import group

from .conftest import Run


def test_the_version_is_printed(run: Run) -> None:
    """--version prints the name and the version, and nothing else."""
    done = run("--version")
    assert (done.returncode, done.stdout) == (0, f"realtime-sync {realtime_sync.__version__}\n")


def test_help_names_every_command(run: Run) -> None:
    """--help names each command and says how to begin."""
    done = run("--help")
    assert done.returncode == 0
    for word in (
        "ask",
        "chat",
        "demo",
        "devices",
        "say",
        "serve",
        "talk",
        "realtime-sync demo",
        "OPENAI_API_KEY",
    ):
        assert word in done.stdout


@pytest.mark.parametrize("name", sorted(group.commands))
def test_the_help_of_every_command(name: str) -> None:
    """An example, a word on each option, and a line in the list of commands that is whole."""
    command = group.commands[name]
    assert "Example" in (command.help or "")
    assert f"  realtime-sync {name}" in (command.help or "") or name == "completion"  # in an eval
    options = [one for one in command.params if isinstance(one, click.Option)]
    assert [one.name for one in options if not one.help] == []
    assert not command.get_short_help_str(50).endswith("...")


def test_an_unknown_command_is_wrong_usage(run: Run) -> None:
    """Exit code 2, and nothing on stdout."""
    done = run("dance")
    assert (done.returncode, done.stdout) == (2, "")


@pytest.mark.parametrize("package", ["click", "rich"])
def test_without_the_extra_one_line_says_what_to_install(without: Run, package: str) -> None:
    """Where click or rich is missing: one line on stderr, exit code 1."""
    done = without(package, "--version")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == 'realtime-sync needs: pip install "realtime_sync[cli]"\n'


def test_ctrl_c_before_anything_is_there() -> None:
    """It ends the command with a word as it does later, also while modules are imported."""
    code = (
        "import sys\n"
        "class Finder:\n"
        "    def find_spec(self, name, *rest):\n"
        "        if name == 'realtime_sync.cli.ask':\n"
        "            raise KeyboardInterrupt\n"
        "sys.meta_path.insert(0, Finder())\n"
        "import realtime_sync.cli as c; c.main()"
    )
    command = [sys.executable, "-c", code, "--version"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=100)
    assert (done.returncode, done.stderr.strip()) == (1, "Aborted!")


def test_version_and_help_load_neither_the_library_nor_rich() -> None:
    """What is not needed for --help is not imported."""
    code = (
        "import sys, realtime_sync.cli.group as g\n"
        "heavy = {'rich', 'numpy', 'pydantic', 'websocket', 'realtime_sync.session'}\n"
        "print(sorted(heavy & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=100)
    assert done.stdout == "[]\n", done.stderr


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="there is no /dev/full")
@pytest.mark.parametrize("arguments", [["--version"], ["ask", "--help"]])
def test_a_full_disk_is_one_line(arguments: list[str]) -> None:
    """What cannot be written: one line on stderr, exit code 1."""
    with open("/dev/full", "w") as full:
        done = subprocess.run(
            [sys.executable, "-m", "realtime_sync", *arguments],
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            timeout=100,
        )
    assert (done.returncode, done.stderr) == (1, "Error: no space left on device\n")
