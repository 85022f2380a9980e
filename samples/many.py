"""Hold many conversations at once, a thread each.

You learn: sessions are independent and share one I/O thread, so fifty cost little more than one;
any `concurrent.futures` pool will do. A session that fails harms no other: its error comes out of
its own future. For thousands of jobs, with a journal and limits, see `batch.py`.

Run it as `python samples/many.py [SESSIONS]`.

Needs OPENAI_API_KEY; OPENAI_BASE_URL names another server, if you want one.
"""

import sys
import threading
from concurrent.futures import ThreadPoolExecutor, as_completed

from realtime_sync import RealtimeSession, sessions
from realtime_sync.errors import RealtimeError

number = int(sys.argv[1]) if len(sys.argv) > 1 else 20
everybody = threading.Barrier(number, timeout=60)  # so that all of them are open at a time


def converse(count):
    with RealtimeSession(instructions="Be brief.", output_modalities=["text"]) as session:
        if everybody.wait() == 0:
            io = [thread for thread in threading.enumerate() if thread.name == "realtime-io"]
            print(f"{len(sessions())} sessions open, {len(io)} I/O thread")
        return session.ask(f"Count to {count}", timeout=60).text


with ThreadPoolExecutor(number) as pool:
    futures = {pool.submit(converse, count): count for count in range(1, number + 1)}
    answers = {}
    for future in as_completed(futures):
        try:
            answers[futures[future]] = future.result()
        except RealtimeError as error:
            print(f"conversation {futures[future]} failed: {error}")

for count, text in sorted(answers.items())[:3]:
    print(f"{count}: {text}")
print(f"{len(answers)} of {number} have an answer")
