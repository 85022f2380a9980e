"""Requests of the Assistants API, made by hand.

The methods of the `openai` client for it are marked as retired, and will go.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from .service import Service

__all__ = ["ThreadApi"]

Wire = dict[str, Any]

_BETA = {"OpenAI-Beta": "assistants=v2"}


class ThreadApi:
    """Sends requests, from any thread; its errors are ours.

    Args:
        service: The client.
    """

    def __init__(self, service: Service) -> None:
        self._service = service

    def get(self, path: str, **query: Any) -> Wire:
        """What is there."""
        return self._ask("get", path, query=query)

    def post(self, path: str, body: Wire, *, patience: float | None = None) -> Wire:
        """What comes of a body.

        Args:
            path: Below the base URL.
            body: Sent as JSON.
            patience: Seconds without an answer after which it is given up, and not tried again;
                None: as usual.
        """
        return self._ask("post", path, body=body, patience=patience)

    def delete(self, path: str) -> None:
        """It is to be there no longer."""
        self._ask("delete", path)

    def stream(self, path: str, body: Wire) -> Any:
        """A stream of events, each with `event` and `data`; see `Service.read`."""
        sent = {**body, "stream": True}
        return self._service.ask(
            lambda client: _request(client, "post", path, body=sent, stream=True), {}
        )

    def _ask(self, method: str, path: str, **given: Any) -> Wire:
        answer = self._service.ask(lambda client: _request(client, method, path, **given), {})
        return answer if isinstance(answer, dict) else {}


def _request(
    client: Any,
    method: str,
    path: str,
    *,
    body: Wire | None = None,
    query: Wire | None = None,
    stream: bool = False,
    patience: float | None = None,
) -> Callable[..., Any]:
    """A request of the client's that it has no method for."""

    def send(
        *, extra_headers: Mapping[str, Any] | None = None, extra_query: Wire | None = None
    ) -> Any:
        import openai

        headers = {**_BETA, **(extra_headers or {})}
        options: Wire = {"headers": headers, "params": {**(query or {}), **(extra_query or {})}}
        if patience is not None:
            options.update(timeout=patience, max_retries=0)
        arguments: Wire = {"cast_to": object, "options": options}
        if body is not None:
            arguments["body"] = body
        if stream:
            arguments.update(stream=True, stream_cls=openai.Stream[Any])
        return getattr(client, method)(path, **arguments)

    return send
