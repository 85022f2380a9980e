"""Bytes in pieces: what goes in at the end comes out at the front."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from realtime_sync.local.sound import Sound

STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("add"), st.integers(0, 90_000)),
        st.tuples(st.sampled_from(["take", "cut"]), st.integers(-5, 120_000)),
        st.tuples(st.just("clear"), st.just(0)),
    ),
    max_size=12,
)


@given(STEPS)
def test_it_is_as_one_array(steps: list[tuple[str, int]]) -> None:
    """However it is filled and emptied, it holds what an array would."""
    sound, array, count = Sound(), bytearray(), 0
    for what, size in steps:
        if what == "add":
            count += 1
            piece = bytes([count, count // 2]) * (size // 2)
            sound.add(piece)
            array += piece
        elif what == "take":
            size = max(0, size)
            assert bytes(sound.take(size)) == bytes(array[:size])
            del array[:size]
        else:
            size = max(0, size) if what == "cut" else 0
            sound.cut(size) if what == "cut" else sound.clear()
            del array[size:]
        assert (bytes(sound), len(sound), bool(sound)) == (bytes(array), len(array), bool(array))


def test_what_was_taken_is_on_its_own() -> None:
    """More for the one does not reach the other."""
    sound = Sound(b"abcdef")
    taken = sound.take(4)
    sound.add(b"gh")
    taken.add(b"x")
    assert (bytes(sound), bytes(taken)) == (b"efgh", b"abcdx")
    assert repr(taken) == "<Sound, 5 bytes>"
