from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from realtime_sync import items
from realtime_sync.errors import AudioError, ConfigurationError


@pytest.mark.parametrize(
    ("item", "role", "text"),
    [
        (items.user("a"), "user", "a"),
        (items.user(""), "user", ""),
        (items.system("b"), "system", "b"),
        (items.assistant("c"), "assistant", "c"),
    ],
)
def test_messages(item: Any, role: str, text: str) -> None:
    """The builders make messages of their role."""
    assert (item.type, item.role, item.text, item.id) == ("message", role, text, None)


def test_function_output() -> None:
    """function_output makes the answer to a call."""
    item = items.function_output("c", "out")
    assert item.wire() == {"type": "function_call_output", "call_id": "c", "output": "out"}


@pytest.mark.parametrize("detail", ["auto", "low", "high"])
def test_detail(detail: str) -> None:
    """detail= goes with the image; left out, it is not sent."""
    png = b"\x89PNG\r\n\x1a\n"
    (part,) = items.user(image=png, detail=detail).content
    assert part.wire()["detail"] == detail
    assert "detail" not in items.user(image=png).content[0].wire()


@pytest.mark.parametrize(
    ("make", "error"),
    [
        (lambda: items.user(), ValueError),
        (lambda: items.user(5), TypeError),  # type: ignore[arg-type]
        (lambda: items.system(None), TypeError),  # type: ignore[arg-type]
        (lambda: items.assistant(b"x"), TypeError),  # type: ignore[arg-type]
        (lambda: items.function_output("c", {"a": 1}), TypeError),  # type: ignore[arg-type]
        (lambda: items.function_output(None, "x"), TypeError),  # type: ignore[arg-type]
        (lambda: items.user(audio=b"odd"), ValueError),
        (lambda: items.user("with text", audio=b""), ValueError),
        (lambda: items.user(audio=5), TypeError),
        (lambda: items.user(audio=np.zeros(4, np.complex64)), (TypeError, ValueError)),
        (lambda: items.user(image=b"GIF89a"), ValueError),
        (lambda: items.user(image=5), TypeError),
        (lambda: items.user(image=b"\xff\xd8\xff", detail="best"), ValueError),
        (lambda: items.user("x", detail="low"), ValueError),
        (lambda: items.user(audio="no/such/file.wav"), (AudioError, OSError)),
        (lambda: items.user(image="no/such/file.png"), OSError),
    ],
)
def test_bad_parts(make: Any, error: Any) -> None:
    """What cannot be a part is refused, with the kind of error that Python has for it."""
    with pytest.raises(error):
        make()


def test_broken_wav(tmp_path: Path) -> None:
    """A file that is no WAV is an AudioError that names it."""
    path = tmp_path / "x.wav"
    path.write_bytes(b"not a wav")
    with pytest.raises(AudioError, match=r"x\.wav"):
        items.user(audio=path)


def test_stereo() -> None:
    """Arrays may have channels, which are mixed."""
    stereo = np.stack([np.full(100, 1000), np.full(100, 3000)], axis=1).astype(np.int16)
    assert set(np.frombuffer(items.user(audio=stereo).audio, "<i2")) == {2000}


def test_chat_completions_content_names_the_way_over() -> None:
    """A text as `content`, as other APIs have it, is refused with what makes the parts."""
    with pytest.raises(ConfigurationError, match=r"item\.content: a list of parts .*items\.user"):
        items.as_item({"role": "user", "content": "Hello!"})
