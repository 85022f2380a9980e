"""A notebook of one kernel: cells go in, what a person sees comes out."""

from __future__ import annotations

import itertools
import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import realtime_sync

LIMIT = 30.0  # seconds; only a failure reaches it


@dataclass
class Cell:
    """One that was executed, and what is below it.

    Attributes:
        shown: The MIME bundles of its result and of what it displayed.
        text: What it printed, on both streams.
        error: The name of what it raised; None: nothing.
        ended: When, in epoch seconds.
    """

    shown: list[dict[str, Any]] = field(default_factory=list)
    text: str = ""
    error: str | None = None
    ended: float | None = None

    @property
    def html(self) -> str:
        """The pages below it."""
        return "".join(str(bundle.get("text/html", "")) for bundle in self.shown)

    @property
    def plain(self) -> str:
        """The same for a terminal."""
        return "".join(str(bundle.get("text/plain", "")) for bundle in self.shown)


class Kernel:
    """A running one; ended by `close()`."""

    def __init__(self, where: Path) -> None:
        env = {
            # nobody's key: the sample is to ask no one but the embedded server
            **{name: value for name, value in os.environ.items() if name[:7] != "OPENAI_"},
            # the library under test, also where it is not installed
            "PYTHONPATH": str(Path(realtime_sync.__file__).parent.parent),
            "PYTHONWARNINGS": "ignore",
            **{
                name: str(where / name)
                for name in (
                    "IPYTHONDIR",
                    "JUPYTER_CONFIG_DIR",
                    "JUPYTER_DATA_DIR",
                    "JUPYTER_RUNTIME_DIR",
                )
            },
        }
        self._log = (where / "kernel.log").open("w+", encoding="utf-8")
        self._driver = subprocess.Popen(
            [sys.executable, str(Path(__file__).with_name("driver.py"))],
            env=env,
            cwd=where,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._log,
            text=True,
        )
        self._changed = threading.Condition()
        self._cells: dict[str, Cell] = {}
        self._numbers = itertools.count()
        self._said: set[str] = set()  # what the driver told of itself
        self.interrupted = 0.0  # when it was, in epoch seconds
        self.ended_after = 0.0  # seconds that the last one took to end, and the next to begin
        self.widgets: dict[str, dict[str, Any]] = {}  # model id -> its state, as a page has it
        self._reader = threading.Thread(target=self._read)
        self._reader.start()
        self._stacks, self._pid = where / "stacks.txt", 0
        self.until(lambda: "ready" in self._said)
        self._prepare()

    def _prepare(self) -> None:
        """So that it can be asked what its threads do, should it hang."""
        self._pid = int(
            self.run(
                "import builtins, faulthandler, os, signal\n"
                f"builtins._stacks = open({str(self._stacks)!r}, 'w')  # outlives %reset\n"
                "faulthandler.register(signal.SIGUSR1, builtins._stacks)\nos.getpid()"
            ).plain
        )

    def _read(self) -> None:
        assert self._driver.stdout is not None
        for line in self._driver.stdout:
            with self._changed:
                self._take(json.loads(line))
                self._changed.notify_all()
        with self._changed:
            self._said.add("over")
            self._changed.notify_all()

    def _take(self, message: dict[str, Any]) -> None:
        content = message.get("content", {})
        cell = self._cells.get(message.get("parent") or "", Cell())
        match message["type"]:
            case "ready" | "restarted":
                self._said.add(message["type"])
                self.ended_after = message.get("seconds", 0.0)
            case "interrupted":
                self.interrupted = message["at"]
            case "stream":
                cell.text += content["text"]
            case "execute_result" | "display_data":
                cell.shown.append(content["data"])
            case "error":
                cell.error = content["ename"]
                cell.text += "\n".join(content["traceback"])
            case "status" if content["execution_state"] == "idle":
                cell.ended = message["at"]
            case "comm_open":
                self.widgets[content["comm_id"]] = dict(content["data"].get("state", {}))
            case "comm_msg" if content["data"].get("method") == "update":
                self.widgets[content["comm_id"]].update(content["data"]["state"])
            case "comm_close":
                self.widgets.pop(content["comm_id"], None)

    def until(self, true: Callable[[], bool]) -> None:
        """Wait until something is so, looked at whenever the kernel has said something."""
        with self._changed:
            held = self._changed.wait_for(lambda: true() or "over" in self._said, LIMIT)
            if not held:
                os.kill(self._pid, signal.SIGUSR1)
                self._changed.wait(1)  # until they are written
                stacks = self._stacks.read_text(encoding="utf-8")
                raise AssertionError(f"not within {LIMIT:g} s; {self.widgets}\n{stacks}")
            if not true():
                self._log.seek(0)
                raise AssertionError(f"the kernel is gone: {self._log.read()}")

    def begin(self, code: str) -> Cell:
        """Execute a cell; it may still run."""
        key = str(next(self._numbers))
        cell = self._cells[key] = Cell()
        self._order(do="execute", id=key, code=code)
        return cell

    def run(self, code: str, *, error: str | None = None) -> Cell:
        """Execute a cell to its end."""
        cell = self.begin(code)
        self.until(lambda: cell.ended is not None)
        assert cell.error == error, cell.text
        return cell

    def interrupt(self) -> None:
        """What the stop button of a notebook does."""
        self._order(do="interrupt")

    def restart(self) -> None:
        """What its restart button does."""
        self._said.discard("restarted")
        self._order(do="restart")
        self.until(lambda: "restarted" in self._said)
        self.widgets.clear()
        self._prepare()

    def widget(self, **state: Any) -> str:
        """The id of the one widget on the page that has such a state; waits for it."""
        found: list[str] = []

        def there() -> bool:
            found[:] = [
                key
                for key, has in self.widgets.items()
                if all(has.get(name) == value for name, value in state.items())
            ]
            return bool(found)

        self.until(there)
        (one,) = found
        return one

    def set(self, widget: str, **state: Any) -> None:
        """What a page does when somebody presses, or types, there."""
        with self._changed:
            self.widgets[widget].update(state)
        self._order(do="comm", id=widget, data={"method": "update", "state": state})

    def click(self, widget: str) -> None:
        """What a page does when somebody clicks there."""
        self._order(do="comm", id=widget, data={"method": "custom", "content": {"event": "click"}})

    def _order(self, **order: Any) -> None:
        assert self._driver.stdin is not None
        print(json.dumps(order), file=self._driver.stdin, flush=True)

    def close(self) -> None:
        """End it."""
        assert self._driver.stdin is not None
        self._driver.stdin.close()
        try:
            self._driver.wait(LIMIT)
        finally:
            self._driver.kill()
            self._reader.join()
            assert self._driver.stdout is not None
            self._driver.stdout.close()
            self._log.close()
