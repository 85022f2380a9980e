"""The same jobs on threads, processes and a Dask cluster, with whatever is killed meanwhile.

The server, the coordinator and the workers are processes of their own.
"""

from __future__ import annotations

import contextlib
import importlib.util
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from realtime_sync.batch import run
from realtime_sync.errors import ConfigurationError

from .thousand import gate, jobs

PROGRAM = Path(__file__).with_name("thousand.py")
SHORT = 60
LIMIT = 60.0  # seconds that only failures reach

needs_dask = pytest.mark.skipif(
    importlib.util.find_spec("distributed") is None, reason="needs pip install distributed"
)
ENGINES = ["threads", "processes", pytest.param("dask", marks=needs_dask)]

Told = set[tuple[str, str, str | None]]


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    """A server in a process of its own, without pacing."""
    command = [sys.executable, "-m", "realtime_sync", "serve", "--speed", "max"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as serving:
        assert serving.stdout is not None
        yield serving.stdout.readline().decode().strip()
        serving.terminate()


class Running:
    """A coordinator at work."""

    def __init__(self, engine: str, url: str, count: int, path: Path, kills: int) -> None:
        self.path = path
        command = [sys.executable, str(PROGRAM), engine, url, str(count), str(path), str(kills)]
        self._log = path.with_suffix(".log").open("a+")
        self._process = subprocess.Popen(command, stdout=self._log, stderr=self._log)

    def lines(self) -> list[str]:
        """The whole lines that are in the file."""
        if not self.path.exists():
            return []
        return self.path.read_text(encoding="utf-8").split("\n")[:-1]

    def wait_for(self, count: int) -> None:
        """Until so many jobs have ended. Another process's file has no event."""
        end = time.monotonic() + 120
        while len(self.lines()) < count:
            assert self._process.poll() is None, self.said()
            assert time.monotonic() < end, self.said()
            time.sleep(0.01)

    def kill_worker(self) -> None:
        """SIGKILL to the process that has ended the last job."""
        worker = next(filter(None, (json.loads(line)["worker"] for line in reversed(self.lines()))))
        pid = int(worker.rpartition(":")[2])
        assert pid != self._process.pid
        os.kill(pid, signal.SIGKILL)

    def kill(self) -> None:
        """SIGKILL to the coordinator."""
        self._process.kill()
        self._process.wait(30)
        self._log.close()

    def end(self) -> Told:
        """What it tells of the jobs, once it has ended; each has one line."""
        assert self._process.wait(400) == 0, self.said()
        self._log.close()
        told = [json.loads(line) for line in self.lines()]
        assert len({one["job"] for one in told}) == len(told)
        return {(one["job"], one["status"], _answer(one["text"])) for one in told}

    def said(self) -> str:
        """What it has printed."""
        self._log.flush()
        return self.path.with_suffix(".log").read_text()[-4000:]


def _answer(text: str | None) -> str | None:
    """Without what the server tells everybody of itself."""
    return None if text is None else text.partition(". I am")[0]


def expected(count: int, url: str) -> Told:
    """What has to come of the jobs, on whatever engine."""
    told: Told = set()
    for n, job in enumerate(jobs(count, url, "", 0)):
        failed = n % 20 == 7
        text = None if failed else f'You said: "{job["text"]}"'
        told.add((job["id"], "failed" if failed else "completed", text))
    return told


def check(engine: str, url: str, count: int, path: Path, *, kills: tuple[str, ...]) -> None:
    """Run them all, and kill what is to be killed once a share of them has ended."""
    running = Running(engine, url, count, path, len(kills))
    for n, kind in enumerate(kills, 1):
        running.wait_for(count * n // (len(kills) + 2))
        if kind == "worker":
            running.kill_worker()
        else:
            running.kill()
            running = Running(engine, url, count, path, len(kills))
        Path(gate(str(path), n)).touch()
    assert running.end() == expected(count, url)


def test_threads(url: str, tmp_path: Path) -> None:
    """On threads each job has one line, with its status and text."""
    check("threads", url, SHORT, tmp_path / "results.jsonl", kills=())


def test_processes(url: str, tmp_path: Path) -> None:
    """On processes likewise, one of them and then the coordinator killed meanwhile."""
    kills = ("worker", "coordinator")
    check("processes", url, SHORT, tmp_path / "results.jsonl", kills=kills)


#: As in a notebook: there is no file that another process could have it from.
NOTEBOOK = """
import sys
from realtime_sync.batch import processes, run

def work(job):
    return job

run(["a", "b", "c"], work, processes(1), results=sys.argv[1])
"""


def test_a_function_of_a_notebook(tmp_path: Path) -> None:
    """Processes cannot be given it: that is said, and no job is told as crashed."""
    path = tmp_path / "results.jsonl"
    command = [sys.executable, "-c", NOTEBOOK, str(path)]
    ran = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert "ConfigurationError: worker: " in ran.stderr
    assert path.read_bytes() == b""


#: Tells the process that has the job, which then outlives its coordinator.
FORKED = """
import os, signal, sys
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from realtime_sync.batch import run

def wait(job):
    os.write(1, f"{os.getpid()}\\n".encode())
    signal.pause()

fork = get_context("fork")
run(["a"], wait, lambda: ProcessPoolExecutor(1, mp_context=fork), results=sys.argv[1])
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs os.fork")
def test_forked_orphans_do_not_hold_the_file(tmp_path: Path) -> None:
    """The coordinator killed, a run goes on with the file while its forked processes still live."""
    path = tmp_path / "results.jsonl"
    command = [sys.executable, "-c", FORKED, str(path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as coordinator:
        assert coordinator.stdout is not None
        orphan = int(coordinator.stdout.readline())
        try:
            with pytest.raises(ConfigurationError, match=r"another run is writing.*fuser"):
                run(["a"], str, results=path)
            coordinator.kill()
            coordinator.wait(30)
            os.kill(orphan, 0)  # it lives
            assert run(["a"], str, results=path).statuses == {"completed": 1}
        finally:
            os.kill(orphan, signal.SIGKILL)


#: Two of its jobs go on for ever, unless they are told not to.
STOPPED = """
import os, signal, sys, time
from concurrent.futures import ProcessPoolExecutor
from realtime_sync.batch import coordinator, processes, run

def work(job):
    if job.startswith("slow") and sys.argv[1] != "threads":
        os.write(1, f"{os.getpid()}\\n".encode())
        time.sleep(600)
    return job

def forked():
    from multiprocessing import get_context
    return ProcessPoolExecutor(2, mp_context=get_context("fork"))

if __name__ == "__main__":
    coordinator._GRACE = 0.5
    signal.signal(signal.SIGTERM, lambda *_: None)  # a program's own way to end; forks have it too
    jobs = ["a", "b", "slow 1", "slow 2", "c", "d"]
    made = {"spawned": processes(2), "forked": forked, "threads": None}[sys.argv[1]]
    run(jobs, work, made, results="results.jsonl")
"""


def until(so: Callable[[], object]) -> None:
    """Returns once it is so: other processes' doings have no event."""
    end = time.monotonic() + LIMIT
    while not so():
        assert time.monotonic() < end
        time.sleep(0.01)


def gone(process: int) -> bool:
    """Whether it has ended, and whoever it was left to has taken note of that."""
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return True
    return False


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs os.fork")
@pytest.mark.parametrize("whom", ["all", "the parent"])
@pytest.mark.parametrize("kind", ["spawned", "forked"])
def test_ctrl_c(kind: str, whom: str, tmp_path: Path) -> None:
    """It ends a run in processes at once, and all of them; run again, it does what is left."""
    program, path = tmp_path / "program.py", tmp_path / "results.jsonl"
    program.write_text(STOPPED)
    command = [sys.executable, str(program)]
    with subprocess.Popen(
        [*command, kind],
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as running:
        assert running.stdout is not None
        workers = [int(running.stdout.readline()) for _ in range(2)]
        until(lambda: path.read_text().count("\n") == 2)  # what has ended has its line
        if whom == "all":  # as a terminal does
            os.killpg(running.pid, signal.SIGINT)
        else:
            running.send_signal(signal.SIGINT)
        try:  # the end of it, and of whoever has inherited its pipes
            said = running.communicate(timeout=LIMIT)[1]
        finally:
            with contextlib.suppress(ProcessLookupError):  # all of it has ended
                os.killpg(running.pid, signal.SIGKILL)
    assert "KeyboardInterrupt" in said
    for worker in workers:
        until(lambda worker=worker: gone(worker))
    assert sorted(json.loads(line)["job"] for line in path.read_text().splitlines()) == ["a", "b"]
    subprocess.run([*command, "threads"], cwd=tmp_path, timeout=60, check=True)
    told = [json.loads(line) for line in path.read_text().splitlines()]
    assert sorted((one["job"], one["status"]) for one in told) == [
        (job, "completed") for job in ("a", "b", "c", "d", "slow 1", "slow 2")
    ]


@needs_dask
def test_dask(url: str, tmp_path: Path) -> None:
    """On a Dask cluster of two processes likewise, one of them killed meanwhile."""
    check("dask", url, SHORT // 2, tmp_path / "results.jsonl", kills=("worker",))


@pytest.mark.long
@pytest.mark.parametrize("engine", ENGINES)
def test_a_thousand(engine: str, url: str, tmp_path: Path) -> None:
    """A thousand on each; on processes and Dask both kinds of process are killed."""
    kills = () if engine == "threads" else ("worker", "coordinator")
    check(engine, url, 1000, tmp_path / "results.jsonl", kills=kills)
