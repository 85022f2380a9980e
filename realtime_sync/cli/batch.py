"""`realtime-sync batch`: many recordings written down, or many conversations held and scored."""

from __future__ import annotations

import os
import sys
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from .. import errors
from ..runtime.clock import monotonic
from .failures import reported
from .screen import printable
from .target import Target, target_options

if TYPE_CHECKING:
    from ..batch import Result, Summary
    from .screen import Line, Screen

__all__ = ["batch"]

#: Takes the key to this program's own processes; a command line would show it.
_KEY = "REALTIME_SYNC_BATCH_KEY"
_ERRORS = 10  # kinds in the table
_MINUTE = click.FloatRange(min=0, min_open=True)
_COUNT = click.IntRange(min=1)


@click.command(short_help="Many recordings or conversations, and a report.")
@click.argument("paths", nargs=-1, required=True, type=click.Path(exists=True), metavar="PATH...")
@click.option(
    "--results",
    type=click.Path(dir_okay=False),
    default="batch.jsonl",
    show_default=True,
    metavar="FILE",
    help="A line of JSON each; with a name that ends in .parquet, a table. Run again with the same"
    " file, it goes on where it was stopped.",
)
@click.option(
    "--report",
    type=click.Path(dir_okay=False),
    metavar="FILE.HTML",
    help="A page with figures, charts, errors and scores.",
)
@click.option("--concurrency", type=_COUNT, metavar="N", help="Jobs at a time; else 16.")
@click.option("--processes", type=_COUNT, metavar="N", help="In so many processes, one job each.")
@click.option("--dask", metavar="ADDRESS", help="On a Dask cluster; its workers have the key.")
@click.option(
    "--retries",
    type=click.IntRange(min=0),
    default=2,
    show_default=True,
    metavar="N",
    help="How often a job that failed is tried again.",
)
@click.option(
    "--jobs-a-minute", "jobs", type=_MINUTE, metavar="N", help="Jobs begun a minute, at most."
)
@click.option(
    "--requests-a-minute",
    "requests",
    type=_MINUTE,
    metavar="N",
    help="Responses asked for a minute, at most.",
)
@click.option(
    "--tokens-a-minute", "tokens", type=_MINUTE, metavar="N", help="Tokens a minute, at most."
)
@click.option("--total-tokens", type=_MINUTE, metavar="N", help="End when they are used up.")
@click.option("--total-minutes", type=_MINUTE, metavar="N", help="Of sound or conversation.")
@click.option("--language", metavar="CODE", help="Of recordings, e.g. en; else it is found out.")
@click.option(
    "--tool",
    "tools",
    multiple=True,
    metavar="MODULE:NAME",
    help="A function that the model may call, of a module that is installed or in the current"
    " folder; more than once.",
)
@click.option("--chat", is_flag=True, help="Hold conversations as text, with a text model.")
@click.option("--user-model", metavar="NAME", help="Speaks for users who are not scripted.")
@target_options
@reported
def batch(
    target: Target,
    paths: Sequence[str],
    results: str,
    report: str | None,
    concurrency: int | None,
    processes: int | None,
    dask: str | None,
    retries: int,
    language: str | None,
    tools: Sequence[str],
    chat: bool,
    user_model: str | None,
    **limits: float | None,
) -> None:
    """Write many recordings down, or hold many conversations and score them.

    A PATH is a sound file, or a folder of them; or a file of conversations, a line of JSON each:

    \b
      {"id": 1, "turns": ["Hello!", {"say": "How much is tea?", "tools": ["price"],
                                     "text": "euro", "within": 2}]}
      {"id": 2, "user": "You want your money back.", "expect": {"never": "sorry"}}

    "tools" are calls that are expected, "text" and "never" regular expressions, "within" seconds
    until the answer begins; "user" tells a model whom to play.

    \b
    Examples:
      realtime-sync batch calls/ --language en --results calls.jsonl
      realtime-sync batch tests.jsonl --tool shop.tools:price --report report.html
      realtime-sync batch tests.jsonl --processes 4 --tokens-a-minute 40000
      realtime-sync batch tests.jsonl --config agent.toml

    Ctrl-C stops it; the same command goes on. Exit code: 0 where all jobs were completed and
    everything expected came; 1 where not, or where a budget was used up; 2 for wrong usage.
    """
    from ..batch import RateLimit, run
    from ..batch import report as write_report
    from .screen import Screen

    if processes is not None and dask is not None:
        raise click.UsageError("--processes and --dask are two places: give one")
    _check_report(report, paths, results)
    talks = _are_conversations(paths)
    if talks:
        _check_kind(talks, {"--language": language})
    else:
        own = {"--tool": tools, "--chat": chat, "--user-model": user_model}
        _check_kind(talks, {**own, "--instructions": target.instructions})
    if chat and target.model is None and "model" not in (target.config or ()):
        raise click.UsageError("--chat needs --model: the name of a text model")
    if dask is None:  # its workers may have it where we do not
        _check_text(chat, user_model)
    _check_tools(tools)
    with ExitStack() as stack:
        where = _where(target, stack, dask)
        if talks:
            jobs, worker = _talks(paths, target, where, tools, chat, user_model)
        else:
            jobs, worker = _sounds(paths, target, where, language)
        shown = _Shown(Screen(), len(jobs), results)
        with _executor(processes, dask) as executor, shown.live():
            ended = run(
                jobs,
                worker,
                executor,
                concurrency=concurrency,
                rate_limit=RateLimit(**limits),
                retries=retries,
                results=results,
                on_result=shown.take,
            )
    shown.end(ended)
    if report is not None:
        write_report(ended, report, title=", ".join(Path(path).name for path in paths))
    if ended.stopped is not None or shown.wrong:
        raise click.exceptions.Exit(1)


def _are_conversations(paths: Sequence[str]) -> bool:
    kinds = {path.endswith((".jsonl", ".ndjson")) for path in paths}
    if len(kinds) == 2:
        raise click.UsageError("recordings and conversations are two runs: give one kind")
    return kinds == {True}


def _check_kind(talks: bool, others: Mapping[str, Any]) -> None:
    """See that nothing is given that this kind of jobs would not heed."""
    given = [option for option, value in others.items() if value]
    if not given:
        return
    kinds = ["recordings", "conversations"]
    cure = "sound files" if talks else "a file of them, NAME.jsonl"
    raise click.UsageError(
        f"{given[0]} is of {kinds[not talks]}, and these are {kinds[talks]}: leave it out, or give"
        f" {cure}"
    )


def _check_report(report: str | None, paths: Sequence[str], results: str) -> None:
    """What would otherwise be known once all jobs have ended."""
    from ..batch.result import journal_of

    if report is None:
        return
    page = os.path.realpath(report)
    if page in (os.path.realpath(path) for path in (*paths, results, journal_of(results))):
        raise click.UsageError(f"--report {report}: that is another file of this run")
    there = os.path.exists(page)
    folder = os.path.dirname(page)
    if not there and not os.path.isdir(folder):
        raise click.UsageError(f"--report {report}: there is no folder {folder}")
    if not os.access(page if there else folder, os.W_OK):
        raise click.UsageError(f"--report {report}: it may not be written")


def _check_text(chat: bool, user_model: str | None) -> None:
    """What would otherwise fail in each job, with a line of results each."""
    from ..batch.converse import is_text
    from ..text.service import check_package

    if chat or is_text(user_model):
        check_package()


def _check_tools(tools: Sequence[str]) -> None:
    """See that they can be imported, here and in processes of ours, which are told where."""
    from ..tools.paths import resolved

    here = os.getcwd()
    if tools and here not in sys.path:
        sys.path.insert(0, here)  # as for `python -m`; a console script has its own folder there
    for tool in tools:
        try:
            resolved(tool)
        except errors.ConfigurationError as exc:
            raise click.UsageError(
                f"--tool {exc}; it was looked for in the current folder, too: {here}"
            ) from exc


def _where(target: Target, stack: ExitStack, dask: str | None) -> dict[str, Any]:
    """The worker's `url` and `key_env`."""
    if target.key is not None and dask is not None:
        raise click.UsageError("--dask: keys do not travel; set OPENAI_API_KEY at its workers")
    if target.embedded and dask is None:
        from ..local import LocalServer

        server = stack.enter_context(LocalServer())
        click.echo(target.notice(), err=True)
        os.environ[_KEY] = "local"
        return {"url": server.url, "key_env": _KEY}
    if target.key is not None:
        os.environ[_KEY] = target.key
    return {"url": target.url, "key_env": None if target.key is None else _KEY}


def _sounds(
    paths: Sequence[str], target: Target, where: dict[str, Any], language: str | None
) -> tuple[list[Any], Any]:
    from ..batch import Transcribe, recordings

    return recordings(paths), Transcribe(target.model, language, config=target.config, **where)


def _talks(
    paths: Sequence[str],
    target: Target,
    where: dict[str, Any],
    tools: Sequence[str],
    chat: bool,
    user_model: str | None,
) -> tuple[list[Any], Any]:
    from ..batch import Converse, conversations

    worker = Converse(
        target.model,
        target.instructions,
        tools,
        chat,
        {} if chat else {"output_modalities": ["text"]},
        user_model,
        target.config,
        **where,
    )
    return [one for path in paths for one in conversations(path)], worker


@contextmanager
def _executor(count: int | None, dask: str | None) -> Iterator[Any]:
    if dask is not None:
        from ..batch.pool import dask as connected

        with connected(dask) as executor:
            yield executor
    elif count is not None:
        from ..batch import processes

        yield processes(count)
    else:
        yield None


class _Shown:
    """What a person sees of a run: a bar meanwhile, a table in the end."""

    def __init__(self, screen: Screen, count: int, path: str) -> None:
        from ..batch.result import journal_of
        from ..batch.result import results as read

        self._screen = screen
        self._count = count
        self._statuses: Counter[str] = Counter()
        self._errors: Counter[tuple[str, str]] = Counter()
        self._before = 0
        self._unmet = 0
        self._began = monotonic()
        if os.path.isfile(journal_of(path)):
            for one in read(path):
                self._note(one)
                self._before += 1

    @property
    def wrong(self) -> bool:
        """Whether a job was not completed, or something expected did not come."""
        return bool(self._unmet) or set(self._statuses) - {"completed"} != set()

    def live(self) -> Any:
        """The bar, within a `with` block."""
        return self._screen.live(self._lines, self._progress)

    def take(self, result: Result) -> None:
        """One more has ended."""
        self._note(result)

    def _note(self, result: Result) -> None:
        self._statuses[result.status] += 1
        if result.error is not None:
            kind = str(result.error.get("code") or result.error.get("type"))
            self._errors[kind, str(result.error.get("message"))[:120]] += 1
        value = result.value
        self._unmet += isinstance(value, dict) and value.get("passed") is False

    def _done(self) -> int:
        return sum(self._statuses.values())

    def _lines(self) -> list[Line]:
        others = {name: count for name, count in self._statuses.items() if name != "completed"}
        shown = [f"{count} {name}" for name, count in sorted(others.items())]
        shown += [f"{self._unmet} not as expected"] if self._unmet else []
        return [("! ", ", ".join(shown), "yellow")] if shown else []

    def _progress(self) -> tuple[float, str]:
        done = self._done()
        return done / max(1, self._count), f"{done} of {self._count}  {self._rate():.1f} a minute"

    def _rate(self) -> float:
        return (self._done() - self._before) / max(0.001, monotonic() - self._began) * 60

    def end(self, ended: Summary) -> None:
        """The figures of the whole run."""
        counts = ", ".join(f"{count} {name}" for name, count in sorted(self._statuses.items()))
        self._screen.write(
            f"{len(ended)} of {self._count} jobs: {counts}; {self._rate():.1f} a minute,"
            f" {ended.tokens} tokens, {ended.minutes:.1f} minutes"
        )
        if self._unmet:
            self._screen.write(f"{self._unmet} not as expected: see `checks` in the results")
        if ended.stopped is not None:
            self._screen.write(f"--{ended.stopped.replace('_', '-')} is used up: the rest is left")
        for (kind, message), count in self._errors.most_common(_ERRORS):
            self._screen.write(printable(f"{count:6d}  {kind}: {' '.join(message.split())}"))
