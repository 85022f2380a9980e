"""An image as the wire has it: a data URI of a PNG or JPEG. Knows no item and no session.

Pillow is used where it is there and never asked for: an image of its kind brings it along, and
only a frame is made smaller with it.
"""

from __future__ import annotations

import importlib.util
import io
import os
import struct
import sys
import zlib
from pathlib import Path
from typing import Any

import pybase64

from .errors import ConfigurationError

__all__ = [
    *("DETAILS", "ImageLike", "check_fit", "check_uri", "data_uri", "fitted", "frame_uri"),
    *("is_address", "kind_and_data"),
]

#: Bytes, a path, a data URI, a Pillow image, or a uint8 array of (rows, columns[, channels]).
ImageLike = Any

#: First bytes of an image -> its type on the wire. Source: wire.md (d).
_KINDS = {b"\x89PNG\r\n\x1a\n": "image/png", b"\xff\xd8\xff": "image/jpeg"}
_URI = "data:image/"
#: Characters of a data URI: as much as the server is known to take in one event. Source: wire.md
#: (j), which has this number of audio.
MAX_URI = 15 * 1024 * 1024
#: What `detail` may be. Source: wire.md (d).
DETAILS = ("auto", "low", "high")
#: Of the JPEGs that we make, as Pillow counts it; a frame is looked at once, and soon deleted.
_QUALITY, _FRAME_QUALITY = 95, 80
#: Channels of an array -> its colour type in a PNG.
_COLOURS = {1: 0, 3: 2, 4: 6}
#: Modes of Pillow that a PNG can have; others become RGB.
_PNG_MODES = frozenset({"1", "L", "LA", "I", "I;16", "P", "RGB", "RGBA"})


def data_uri(image: ImageLike) -> str:
    """The data URI of an image. PNG and JPEG go as they are; what has no form yet becomes a PNG.

    So does an http(s) address: it is no data URI, and stays what it is.

    Args:
        image: PNG or JPEG as bytes, a path or a data URI; a Pillow image (one that was read from
            a JPEG becomes one again); an array of uint8: grey, RGB or RGBA.

    Raises:
        TypeError: None of these.
        ConfigurationError: Neither PNG nor JPEG, or too large.
        OSError: The file cannot be read.
    """
    if is_address(image):  # not every server loads it: a session says so
        return str(image)
    if isinstance(image, str) and image.startswith("data:"):
        check_uri(image, "image")
        return image
    return _uri(_bytes(image))


def is_address(image: ImageLike) -> bool:
    """Whether it is where an image is, for somebody else to load."""
    return isinstance(image, str) and image.startswith(("http://", "https://"))


def frame_uri(image: ImageLike) -> str:
    """The data URI of a camera or screen frame: a JPEG where Pillow is installed.

    Args:
        image: As for `data_uri`.

    Raises:
        TypeError, ConfigurationError, OSError: As `data_uri`.
    """
    if isinstance(image, str) and image.startswith("data:"):
        return data_uri(image)
    try:
        from PIL import Image
    except ImportError:
        return data_uri(image)
    if not isinstance(image, Image.Image):
        data = _bytes(image)
        if _kind(data) == "image/jpeg":
            return _uri(data)
        _check_size(len(data))
        image = Image.open(io.BytesIO(data))
    return _uri(_saved(image.convert("RGB"), "JPEG", quality=_FRAME_QUALITY))


def kind_and_data(uri: str) -> tuple[str, bytes]:
    """What a data URI of ours holds: its type on the wire, and the image."""
    head, _, body = uri.partition(";base64,")
    return head.removeprefix("data:"), pybase64.b64decode(body)


def check_fit(size: Any, where: str) -> tuple[int, int]:
    """Pixels, width and height, that images are made to fit in.

    Raises:
        ConfigurationError: It is no size, or Pillow is missing; names `where`.
    """
    pair = isinstance(size, (tuple, list)) and len(size) == 2
    if not pair or not all(type(n) is int and n > 0 for n in size):
        raise ConfigurationError(f"{where}: (width, height) in pixels, not {size!r}")
    if importlib.util.find_spec("PIL") is None:
        raise ConfigurationError(f'{where}: it needs Pillow: pip install "realtime_sync[image]"')
    return size[0], size[1]


def fitted(image: bytes, size: tuple[int, int]) -> bytes:
    """A PNG or JPEG made to fit into width and height, its shape kept; what fits stays as it is.

    Raises:
        ConfigurationError: Pillow cannot read it.
    """
    from PIL import Image

    try:
        with Image.open(io.BytesIO(image)) as opened:
            if opened.width <= size[0] and opened.height <= size[1]:
                return image
            smaller = opened.copy()
    except (OSError, SyntaxError, ValueError) as exc:
        raise ConfigurationError(f"image: Pillow cannot read it: {exc}") from exc
    kind = _kind(image)
    smaller.thumbnail(size)
    smaller.format = "JPEG" if kind == "image/jpeg" else "PNG"
    return _encoded(smaller)


def check_uri(uri: Any, where: str) -> None:
    """Complain unless it is the data URI of a PNG or JPEG that the server would take.

    Raises:
        ConfigurationError: Names `where`.
    """
    if not isinstance(uri, str) or not uri.startswith(_URI):
        raise ConfigurationError(
            f"{where}: a data URI is needed, as items.user(image=...) makes it; the server loads "
            "no addresses"
        )
    _check_size(len(uri), where)
    head, _, body = uri.partition(";base64,")
    try:
        data = pybase64.b64decode(body, validate=True)
    except ValueError:
        raise ConfigurationError(f"{where}: what follows ;base64, is not base64") from None
    if not body or head != f"data:{_kind(data, where)}":
        raise ConfigurationError(f"{where}: it says {head[5:40]}, and holds {_kind(data, where)}")


def _uri(data: bytes) -> str:
    uri = f"data:{_kind(data)};base64,{pybase64.b64encode(data).decode()}"
    _check_size(len(uri))
    return uri


def _kind(data: bytes, where: str = "image") -> str:
    for start, kind in _KINDS.items():
        if data.startswith(start):
            return kind
    raise ConfigurationError(
        f"{where}: neither PNG nor JPEG, which is all that the server takes; convert it"
    )


def _check_size(size: int, where: str = "image") -> None:
    if size > MAX_URI:
        raise ConfigurationError(
            f"{where}: {size / 1e6:.1f} MB; the server takes {MAX_URI / 1e6:.1f} MB in one event: "
            "make it smaller"
        )


def _bytes(image: ImageLike) -> bytes:
    if isinstance(image, (str, os.PathLike)):
        return Path(image).read_bytes()
    if isinstance(image, (bytes, bytearray, memoryview)):
        return bytes(image)
    pillow = sys.modules.get("PIL.Image")  # no image of Pillow's without it
    if pillow is not None and isinstance(image, pillow.Image):
        return _encoded(image)
    if hasattr(image, "__array_interface__"):
        return _png(image)
    raise TypeError(f"image: bytes, a path, a Pillow image or an array, not {type(image).__name__}")


def _encoded(image: Any) -> bytes:
    """The bytes of a Pillow image, without loss where there was none before."""
    if image.format == "JPEG":
        return _saved(image if image.mode in ("L", "RGB") else image.convert("RGB"), "JPEG")
    return _saved(image if image.mode in _PNG_MODES else image.convert("RGB"), "PNG")


def _saved(image: Any, kind: str, quality: int = _QUALITY) -> bytes:
    file = io.BytesIO()
    image.save(file, kind, **({"quality": quality} if kind == "JPEG" else {}))
    return file.getvalue()


def _png(array: Any) -> bytes:
    """An array as a PNG; numpy is the caller's."""
    shape = array.shape
    channels = 1 if len(shape) == 2 else shape[-1]
    fits = len(shape) in (2, 3) and channels in _COLOURS and 0 not in shape
    if array.dtype.str != "|u1" or not fits:
        raise TypeError(
            f"image: an array of uint8 and shape (rows, columns), (rows, columns, 3) or (..., 4), "
            f"not {array.dtype} of {shape}"
        )
    rows, row = array.tobytes(), shape[1] * channels
    lines = b"".join(b"\0" + rows[at : at + row] for at in range(0, len(rows), row))
    header = struct.pack(">IIBBBBB", shape[1], shape[0], 8, _COLOURS[channels], 0, 0, 0)
    body = zlib.compress(lines, 6)
    return b"\x89PNG\r\n\x1a\n" + _chunk(b"IHDR", header) + _chunk(b"IDAT", body) + _chunk(b"IEND")


def _chunk(kind: bytes, body: bytes = b"") -> bytes:
    checked = kind + body
    return struct.pack(">I", len(body)) + checked + struct.pack(">I", zlib.crc32(checked))
