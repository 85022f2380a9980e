"""Runs a Jupyter kernel, as a notebook's server does: orders come on stdin, what it says goes out.

A process of its own, since jupyter_client leaves event loops and sockets behind. Each line is JSON.

Orders: {"do": "execute", "code", "id"}; {"do": "comm", "id", "data"}, what a page tells a widget;
{"do": "interrupt"}; {"do": "restart"}. Out: each message of the kernel's iopub channel as {"type",
"parent", "content", "at"}, where `parent` is the id of the order; and {"type"} alone: "ready",
"interrupted", "restarted".
"""

from __future__ import annotations

import json
import queue
import sys
import threading
import time
from typing import Any

from jupyter_client.manager import start_new_kernel


def main() -> None:
    manager, client = start_new_kernel(startup_timeout=60)
    lines: queue.SimpleQueue[str] = queue.SimpleQueue()

    def listen() -> None:
        for line in sys.stdin:
            lines.put(line)
        lines.put("")  # the end

    threading.Thread(target=listen, daemon=True).start()
    say(type="ready")
    orders: dict[str, str] = {}  # message id -> the order's
    try:
        # by one thread: sockets of ZeroMQ belong to one
        while obeyed(lines, manager, client, orders):
            try:
                message = client.get_iopub_msg(timeout=0.02)
            except queue.Empty:
                continue
            parent = orders.get(message["parent_header"].get("msg_id", ""))
            say(type=message["msg_type"], parent=parent, content=message["content"], at=time.time())
    finally:
        client.stop_channels()
        manager.shutdown_kernel(now=False)


def say(**said: Any) -> None:
    sys.stdout.write(json.dumps(said, default=str) + "\n")
    sys.stdout.flush()


def obeyed(
    lines: queue.SimpleQueue[str], manager: Any, client: Any, orders: dict[str, str]
) -> bool:
    """Does what it was told meanwhile; False at the end."""
    while not lines.empty():
        line = lines.get()
        if not line:
            return False
        order = json.loads(line)
        if order["do"] == "execute":
            # else the kernel may drop the cell after one that raised
            key = client.execute(order["code"], allow_stdin=False, stop_on_error=False)
            orders[key] = order["id"]
        elif order["do"] == "comm":
            content = {"comm_id": order["id"], "data": {"buffer_paths": [], **order["data"]}}
            client.shell_channel.send(client.session.msg("comm_msg", content))
        elif order["do"] == "interrupt":
            at = time.time()
            manager.interrupt_kernel()
            say(type="interrupted", at=at)
        elif order["do"] == "restart":
            restart(manager, client)
    return True


def restart(manager: Any, client: Any) -> None:
    began = time.monotonic()
    # half of it later a kernel that does not end by itself is killed, however slow the machine is
    usual, manager.shutdown_wait_time = manager.shutdown_wait_time, 60.0
    manager.restart_kernel(now=False)
    manager.shutdown_wait_time = usual
    took = time.monotonic() - began
    client.wait_for_ready(timeout=60)
    say(type="restarted", seconds=took)


if __name__ == "__main__":
    main()
