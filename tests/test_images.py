from __future__ import annotations

import builtins
import io
import struct
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pybase64
import pytest

from realtime_sync import images, items
from realtime_sync.errors import ConfigurationError

PNG = b"\x89PNG\r\n\x1a\n" + bytes(8)
JPEG = b"\xff\xd8\xff\xe0" + bytes(8)
RED = np.tile(np.array([200, 10, 20], np.uint8), (4, 6, 1))


def held(uri: str) -> bytes:
    return pybase64.b64decode(uri.partition(";base64,")[2])


def uri(kind: str, data: bytes) -> str:
    return f"data:image/{kind};base64,{pybase64.b64encode(data).decode()}"


@pytest.fixture
def pillow() -> Any:
    return pytest.importorskip("PIL.Image", reason="needs Pillow: pip install pillow")


@pytest.fixture
def no_pillow(monkeypatch: pytest.MonkeyPatch) -> None:
    """As on a machine without Pillow."""
    real = builtins.__import__

    def without(name: str, *args: Any, **kwargs: Any) -> Any:
        if name.partition(".")[0] == "PIL":
            raise ImportError(name)
        return real(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", without)


@pytest.mark.parametrize(("data", "kind"), [(PNG, "png"), (JPEG, "jpeg")])
def test_bytes_and_files_go_as_they_are(data: bytes, kind: str, tmp_path: Path) -> None:
    """PNG and JPEG are sent to the byte, told apart by what they hold, not by their name."""
    path = tmp_path / "picture.gif"
    path.write_bytes(data)
    for given in (data, bytearray(data), memoryview(data), path, str(path), uri(kind, data)):
        assert images.data_uri(given) == uri(kind, data)


@pytest.mark.parametrize("data", [b"", b"GIF89a", b"RIFFxxxxWEBP", b"\x89PN", b"<svg/>"])
def test_other_formats(data: bytes) -> None:
    """What is neither PNG nor JPEG is a ValueError that says so."""
    with pytest.raises(ValueError, match="neither PNG nor JPEG"):
        images.data_uri(data)


@pytest.mark.parametrize(
    ("given", "complaint"),
    [
        ("https://example.org/a.png", "loads no addresses"),
        ("data:text/plain;base64,AA==", "a data URI"),
        (uri("png", JPEG), "says image/png, and holds image/jpeg"),
        (uri("gif", b"GIF89a"), "neither PNG nor JPEG"),
        ("data:image/png;base64,%%%%", "not base64"),
        ("data:image/png;base64,", "neither PNG nor JPEG"),
        ("data:image/png," + "x" * 20, "neither PNG nor JPEG"),
        (None, "a data URI"),
        (5, "a data URI"),
    ],
)
def test_bad_uris(given: Any, complaint: str) -> None:
    """A URI that the server would refuse is refused here, and named."""
    part = {"type": "input_image", "image_url": given} if given is not None else {}
    with pytest.raises(ConfigurationError, match=complaint):
        images.check_uri(given, "x")
    if isinstance(given, str):
        with pytest.raises(ConfigurationError, match=r"item\.content\[0\]\.image_url"):
            items.as_item({"role": "user", "content": [part]})


def test_size() -> None:
    """An image above the size of an event is refused before it is sent, with both numbers."""
    with pytest.raises(ConfigurationError, match=r"20\.0 MB.*15\.7 MB"):
        images.data_uri(PNG + bytes(15_000_000))
    with pytest.raises(ConfigurationError, match=r"MB in one event"):
        images.check_uri("data:image/png;base64," + "A" * images.MAX_URI, "x")


def pixels(png: bytes) -> np.ndarray:
    """A decoder for what `_png` writes, by the book: no filter, 8 bits."""
    width, height, depth, colour = struct.unpack(">IIBB", png[16:26])
    channels = {0: 1, 2: 3, 6: 4}[colour]
    size = struct.unpack(">I", png[33:37])[0]
    lines = np.frombuffer(zlib.decompress(png[41 : 41 + size]), np.uint8)
    lines = lines.reshape(height, 1 + width * channels)
    assert depth == 8
    assert not lines[:, 0].any()
    return lines[:, 1:].reshape(height, width, channels)


@pytest.mark.parametrize(
    "array",
    [RED, RED[:, :, 0], np.dstack([RED, RED[:, :, 0]]), RED[::-1, ::2]],
    ids=["rgb", "grey", "rgba", "not contiguous"],
)
def test_arrays(array: np.ndarray) -> None:
    """An array of uint8 becomes a PNG of the same pixels, without Pillow."""
    found = pixels(held(images.data_uri(array)))
    assert (found == array.reshape(found.shape)).all()


@pytest.mark.parametrize(
    "array",
    [
        RED.astype(np.float32),
        RED.astype(np.int8),
        np.zeros((4, 6, 2), np.uint8),
        np.zeros(5, np.uint8),
        np.zeros((0, 6, 3), np.uint8),
    ],
)
def test_bad_arrays(array: np.ndarray) -> None:
    """Another dtype or shape is a TypeError that says which was expected."""
    with pytest.raises(TypeError, match="uint8 and shape"):
        images.data_uri(array)


@pytest.mark.parametrize("mode", ["1", "L", "P", "RGB", "RGBA", "CMYK", "YCbCr", "HSV"])
def test_pillow_images(mode: str, pillow: Any) -> None:
    """A Pillow image of any mode becomes a PNG."""
    made = images.data_uri(pillow.fromarray(RED).convert(mode))
    shown = pillow.open(io.BytesIO(held(made)))
    assert (shown.format, shown.size) == ("PNG", (6, 4))
    assert made.startswith("data:image/png;")


@pytest.mark.parametrize("mode", ["L", "RGB", "CMYK"])
def test_pillow_images_from_a_jpeg(mode: str, pillow: Any) -> None:
    """One that was read from a JPEG becomes a JPEG again."""
    file = io.BytesIO()
    pillow.fromarray(RED).convert(mode).save(file, "JPEG")
    assert images.data_uri(pillow.open(file)).startswith("data:image/jpeg;")


def test_frames_are_jpegs(pillow: Any, tmp_path: Path) -> None:
    """With Pillow every frame is a JPEG, whatever it came as; a JPEG goes as it is."""
    png = held(images.data_uri(RED))
    path = tmp_path / "x.png"
    path.write_bytes(png)
    for given in (RED, png, path, pillow.fromarray(RED).convert("RGBA")):
        shown = pillow.open(io.BytesIO(held(images.frame_uri(given))))
        assert (shown.format, shown.size) == ("JPEG", (6, 4))
        assert abs(np.asarray(shown).astype(int) - RED).max() < 16
    assert images.frame_uri(JPEG) == uri("jpeg", JPEG)
    assert images.frame_uri(uri("png", PNG)) == uri("png", PNG)


def test_frames_without_pillow(no_pillow: None) -> None:
    """Without it they go as `items.user(image=...)` would send them."""
    assert images.frame_uri(RED) == images.data_uri(RED)
    assert images.frame_uri(PNG) == uri("png", PNG)


@pytest.mark.parametrize("given", [5, None, object(), ["x"]])
def test_no_image(given: Any) -> None:
    """What is no image is a TypeError."""
    with pytest.raises(TypeError, match="image: bytes, a path"):
        images.data_uri(given)
    with pytest.raises(TypeError, match="image: bytes, a path"):
        images.frame_uri(given)
