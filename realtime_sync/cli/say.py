"""`realtime-sync say`: a text, aloud."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import click

from ..errors import AudioUnavailable, DeviceNotFound
from .failures import reported
from .target import Target, device_of, target_options
from .wavpath import WavPath

if TYPE_CHECKING:
    from ..response import Response
    from ..session import RealtimeSession

__all__ = ["say"]

_LATE: Final = 10.0  # seconds that the last sound may be behind the end of the response


@click.command(short_help="Have a text said.")
@click.argument("text")
@click.option("--voice", metavar="NAME", help="Else the server's.")
@click.option(
    "--save",
    type=WavPath(),
    metavar="SAID.WAV",
    help="Write it there instead of playing it.",
)
@click.option("--speaker", metavar="DEVICE", help="Its number or a part of its name; see devices.")
@target_options
@reported
def say(
    target: Target, text: str, voice: str | None, save: str | None, speaker: str | None
) -> None:
    """Have a text said, word for word as far as the model keeps to it.

    \b
    Examples:
      realtime-sync say "Dinner is ready."
      realtime-sync say "Dinner is ready." --voice marin --save dinner.wav

    Without OPENAI_API_KEY and --url the embedded server speaks (and says so on stderr), without a
    model: what it says is an answer of its own.

    Exit code: 0 where it was said whole, 1 for everything else, with the reason on stderr.
    """
    device = target.talk.get("speaker") if speaker is None else device_of(speaker)
    fields: dict[str, Any] = {} if voice is None else {"voice": voice}
    with target.opened({"reconnect": None}, output_modalities=["audio"], **fields) as session:
        try:
            response = _saved(session, text, save) if save else _played(session, text, device)
        except (AudioUnavailable, DeviceNotFound) as exc:
            raise type(exc)(f"{exc}; a file will do: --save SAID.WAV") from exc
    response.raise_for_status()


def _saved(session: RealtimeSession, text: str, path: str) -> Response:
    from ..audio import decode, write_wav

    response = session.say(text)
    if not response.audio:
        raise ValueError("the reply has no audio: nothing is saved")
    write_wav(path, decode(response.audio, session.output_format))
    return response


def _played(session: RealtimeSession, text: str, device: Any) -> Response:
    from ..audio import Decoder, Speaker
    from ..runtime.clock import Event

    decoder, ended = Decoder(session.output_format), Event()
    with Speaker(device) as speaker:

        def item_ended(event: Any) -> None:
            speaker.play(decoder.flush(), event.item_id)
            speaker.finish(event.item_id)

        session.on(
            "response.output_audio.delta",
            lambda event: speaker.play(decoder.feed(event.audio), event.item_id),
        )
        session.on("response.output_audio.done", item_ended)
        session.on("response.done", lambda _: ended.set())
        response = session.say(text)
        # say may return before the callbacks of its own events have run
        ended.wait(_LATE)
        speaker.wait_playback()
    return response
