"""/files: what was uploaded, by id.

Its owner sees that one call is made at a time.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import PurePosixPath
from typing import Any

from realtime_sync.local.http import Reply
from realtime_sync.local.refusal import Refusal, missing, wrong_value
from realtime_sync.local.text.listing import Listing

__all__ = ["Files", "Upload"]

Wire = dict[str, Any]
Upload = dict[str, tuple[bytes, str]]
"""The fields of a form: what is in each, and its file name."""

_PURPOSES = ("assistants", "batch", "evals", "fine-tune", "user_data", "vision")
_PICTURES = (".gif", ".jpeg", ".jpg", ".png", ".webp")


class Files:
    """The files of a server.

    Args:
        new_id: Makes ids that no other has.
        epoch: Seconds since 1970, now.
    """

    def __init__(self, *, new_id: Callable[[str], str], epoch: Callable[[], float]) -> None:
        self._new_id = new_id
        self._epoch = epoch
        self._files = Listing("file", most=1000)
        self._contents: dict[str, bytes] = {}

    def upload(self, form: Upload) -> Wire:
        """Takes a file in.

        Raises:
            Refusal: The form is wrong.
        """
        for name in ("file", "purpose"):
            if name not in form:
                raise missing(name)
        purpose = form["purpose"][0].decode("utf-8", "replace")
        data, name = form["file"]
        if purpose not in _PURPOSES:
            raise wrong_value("purpose", purpose, _PURPOSES)
        if purpose == "vision" and PurePosixPath(name).suffix.lower() not in _PICTURES:
            message = f"Invalid extension of {name!r}. Supported formats: {', '.join(_PICTURES)}"
            raise Refusal("unsupported_file", message, param="file")
        if not data:
            raise Refusal("invalid_value", "File is empty.", param="file")
        file = self._files.add(
            {
                "id": self._new_id("file-"),
                "object": "file",
                "bytes": len(data),
                "created_at": int(self._epoch()),
                "filename": name,
                "purpose": purpose,
                "status": "processed",
            }
        )
        self._contents[file["id"]] = data
        kept = {one["id"] for one in self._files}
        self._contents = {key: value for key, value in self._contents.items() if key in kept}
        return file

    def list(self, query: Wire) -> Wire:
        """A page of them."""
        purpose = query.get("purpose")
        return self._files.page(query, lambda one: purpose in (None, one["purpose"]))

    def retrieve(self, _query: Wire, file_id: str) -> Wire:
        """What is known of one."""
        return self._files.find(file_id)

    def content(self, _query: Wire, file_id: str) -> Reply:
        """What is in one."""
        self._files.find(file_id)
        return Reply(200, self._contents[file_id], "application/octet-stream")

    def delete(self, _query: Wire, file_id: str) -> Wire:
        """Takes one out."""
        self._files.remove(file_id)
        del self._contents[file_id]
        return {"id": file_id, "object": "file", "deleted": True}
