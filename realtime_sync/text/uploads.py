"""Images that a thread points to: uploaded once, and deleted when they are no longer wanted."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from ..errors import NotFound
from ..images import fitted, kind_and_data
from .service import Service

__all__ = ["UploadedFile", "Uploads"]

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class UploadedFile:
    """An image that has been uploaded.

    Attributes:
        id: Of the file at the API.
        filename: The name that it was given.
        kind: "image/png" or "image/jpeg".
        data: What was uploaded, made smaller where that was asked for.
        original: What it was before.
    """

    id: str
    filename: str
    kind: str
    data: bytes = field(repr=False)
    original: bytes = field(repr=False)


class Uploads:
    """The images of a session.

    Args:
        service: Where to.
        size: Pixels, width and height, that none is to go beyond; None: as they are.
        told: Called with each that was uploaded; what it raises is logged.
    """

    def __init__(
        self,
        service: Service,
        *,
        size: tuple[int, int] | None,
        told: Callable[[UploadedFile], Any] | None,
    ) -> None:
        self._service = service
        self._size = size
        self._told = told
        self._files: dict[bytes, str] = {}  # hash of what was given -> id of the file

    def file_id(self, uri: str) -> str:
        """The id of the file that an image is; it is uploaded where it is none yet.

        Raises:
            RealtimeError: It was refused, or nobody could be asked.
        """
        key = hashlib.sha256(uri.encode()).digest()
        if key not in self._files:
            self._files[key] = self._upload(uri, key.hex()[:12])
        return self._files[key]

    def delete(self) -> tuple[str, ...]:
        """Deletes all of them; one that is gone already is no error.

        Raises:
            RealtimeError: One could not be deleted; the others are, and it is tried again.
        """
        deleted: list[str] = []
        failed: Exception | None = None
        for key, file_id in list(self._files.items()):
            try:
                self._service.ask(lambda client: client.files.delete, {"file_id": file_id})
            except NotFound:
                log.debug("file %s was gone", file_id)
            except Exception as exc:
                failed = failed or exc
                continue
            del self._files[key]
            deleted.append(file_id)
        if failed is not None:
            raise failed
        return tuple(deleted)

    def _upload(self, uri: str, name: str) -> str:
        kind, original = kind_and_data(uri)
        data = original if self._size is None else fitted(original, self._size)
        filename = f"{name}.{'jpg' if kind == 'image/jpeg' else 'png'}"
        given = {"file": (filename, data, kind), "purpose": "vision"}
        file = self._service.ask(lambda client: client.files.create, given)
        self._tell(UploadedFile(file.id, filename, kind, data, original))
        return str(file.id)

    def _tell(self, uploaded: UploadedFile) -> None:
        if self._told is None:
            return
        try:
            self._told(uploaded)
        except Exception:
            log.exception("on_file_uploaded raised")
