"""Hold many conversations at once, on threads or on Ray.

You learn: `batch.run` calls a worker once for each job and writes a line for each; stopped and run
again with the same file, it goes on. It takes any `concurrent.futures.Executor`: threads, processes
(`batch.processes(4)`), Dask (`Client(...).get_executor()`). Ray has none; `RayExecutor` is one.

Run it as `python samples/batch.py [threads|ray] [RESULTS.jsonl]`; Ray needs `pip install ray`.

Needs OPENAI_API_KEY; OPENAI_BASE_URL names another server, if you want one.
"""

import sys
from concurrent.futures import Executor, Future

from realtime_sync import RealtimeSession, Response
from realtime_sync.batch import run


def call(fn, *arguments):
    """What Ray runs."""
    return fn(*arguments)


class RayExecutor(Executor):
    """A Ray cluster as an executor. `options` are those of a Ray task.

    Conversations wait for the network: a hundred of them take a core, not one. Ray starts the task
    again whose process has ended, three times.
    """

    def __init__(self, **options) -> None:
        import ray

        ray.init(ignore_reinit_error=True, log_to_driver=False)
        self._call = ray.remote(**{"num_cpus": 0.01, "max_retries": 3, **options})(call)

    def submit(self, fn, /, *arguments, **more) -> Future:
        """A future of the call."""
        return self._call.remote(fn, *arguments, **more).future()


def answer(job: dict) -> Response:
    """The worker: one conversation."""
    with RealtimeSession(output_modalities=["text"]) as session:
        session.ask("Hello!")
        return session.ask(job["text"])


if __name__ == "__main__":
    kind = sys.argv[1] if len(sys.argv) > 1 else "threads"
    path = sys.argv[2] if len(sys.argv) > 2 else "results.jsonl"
    jobs = [{"id": n, "text": f"Count to {n}"} for n in range(1, 11)]
    ended = run(jobs, answer, RayExecutor() if kind == "ray" else None, results=path)
    for result in ended:
        print(result.job, result.status, result.text)
    print(ended.statuses, ended.tokens, "tokens")
