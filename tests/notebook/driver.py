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
    orders: dict[str, str] = {}  # message id -> the order's
    out = threading.Lock()
    over, restarts = threading.Event(), threading.Event()

    def say(**said: Any) -> None:
        with out:
            sys.stdout.write(json.dumps(said, default=str) + "\n")
            sys.stdout.flush()

    def obey(order: dict[str, Any]) -> None:
        if order["do"] == "execute":
            message = client.session.msg("execute_request", execute(order["code"]))
            orders[message["header"]["msg_id"]] = order["id"]
            client.shell_channel.send(message)
        elif order["do"] == "comm":
            content = {"comm_id": order["id"], "data": {"buffer_paths": [], **order["data"]}}
            client.shell_channel.send(client.session.msg("comm_msg", content))
        elif order["do"] == "interrupt":
            manager.interrupt_kernel()
            say(type="interrupted", at=time.time())
        elif order["do"] == "restart":
            restarts.set()

    def listen() -> None:
        for line in sys.stdin:
            obey(json.loads(line))
        over.set()

    threading.Thread(target=listen, daemon=True).start()
    say(type="ready")
    try:
        while not over.is_set():
            if restarts.is_set():  # here: nobody else may read meanwhile
                restarts.clear()
                restart(manager, client, say)
            try:
                message = client.get_iopub_msg(timeout=0.2)
            except queue.Empty:
                continue
            parent = orders.get(message["parent_header"].get("msg_id", ""))
            say(type=message["msg_type"], parent=parent, content=message["content"], at=time.time())
    finally:
        client.stop_channels()
        manager.shutdown_kernel(now=False)


def restart(manager: Any, client: Any, say: Any) -> None:
    began = time.monotonic()
    manager.restart_kernel(now=False)
    took = time.monotonic() - began
    client.wait_for_ready(timeout=60)
    say(type="restarted", seconds=took)


def execute(code: str) -> dict[str, Any]:
    return {
        "code": code,
        "silent": False,
        "store_history": True,
        "user_expressions": {},
        "allow_stdin": False,
        "stop_on_error": True,
    }


if __name__ == "__main__":
    main()
