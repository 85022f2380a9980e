"""A PulseAudio of our own with two null sinks: a virtual microphone and a virtual speaker.

What is played into the sink `microphone` comes out of the default source; what a program plays by
default goes into the sink `speaker`, whose monitor can be recorded. Nothing of the machine's own
sound is touched: the daemon has a directory, a socket and an ALSA configuration of its own.

    python tests/nullsinks.py COMMAND ...    runs a command with them
"""

from __future__ import annotations

import importlib.util
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

__all__ = ["FIRST", "RATE", "NullSinks", "missing"]

#: Sound that others tear is no fault of ours: they run before what keeps the machine busy.
FIRST = ["nice", "-n", "-11"] if hasattr(os, "geteuid") and os.geteuid() == 0 else []
RATE = 24_000  # Hz; of what is played and recorded here
_START = 20.0  # seconds that the daemon may take
_PROGRAMS = {"pulseaudio": "pulseaudio", "pactl": "pulseaudio-utils", "pacat": "pulseaudio-utils"}
_PLUGIN = "alsa-lib/libasound_module_pcm_pulse.so"

#: Every program that knows ALSA only, as PyAudio does, reaches PulseAudio by this.
_ALSA = """\
</usr/share/alsa/alsa.conf>
pcm.!default { type pulse }
ctl.!default { type pulse }
"""

_PULSE = """\
.fail
load-module module-native-protocol-unix socket={socket} auth-anonymous=1
load-module module-null-sink sink_name=speaker rate=48000 channels=1
load-module module-null-sink sink_name=microphone rate=48000 channels=1
set-default-sink speaker
set-default-source microphone.monitor
"""


def missing() -> str | None:
    """What to install, for the tests to skip with; None: all is here."""
    for program, package in _PROGRAMS.items():
        if shutil.which(program) is None:
            return f"needs {program}: apt-get install {package}"
    if not any(Path("/usr/lib").glob(f"*/{_PLUGIN}")):
        return "needs ALSA's way to PulseAudio: apt-get install libasound2-plugins"
    if importlib.util.find_spec("pyaudio") is None:
        return "needs pyaudio: apt-get install portaudio19-dev gcc python3-dev; pip install pyaudio"
    return None


class NullSinks:
    """The daemon, for the length of a `with` block.

    Attributes:
        environment: The variables that lead a program to it.
    """

    def __init__(self) -> None:
        self._home = Path(tempfile.mkdtemp(prefix="nullsinks-"))
        socket = self._home / "socket"
        alsa = self._home / "asound.conf"
        script = self._home / "default.pa"
        alsa.write_text(_ALSA, encoding="utf-8")
        script.write_text(_PULSE.format(socket=socket), encoding="utf-8")
        self.environment = {
            "PULSE_SERVER": f"unix:{socket}",
            "PULSE_RUNTIME_PATH": str(self._home / "runtime"),
            "PULSE_STATE_PATH": str(self._home / "state"),
            "PULSE_COOKIE": str(self._home / "cookie"),
            "XDG_CONFIG_HOME": str(self._home / "config"),
            "HOME": str(self._home),
            "ALSA_CONFIG_PATH": str(alsa),
        }
        self._script = script
        self._daemon: subprocess.Popen[bytes] | None = None
        self._log = self._home / "log"

    def start(self) -> None:
        """Start the daemon, and wait until both sinks are there."""
        command = [
            *FIRST,
            *("pulseaudio", "-n", "--daemonize=no", "--use-pid-file=no", "--exit-idle-time=-1"),
            *("--disallow-exit=no", "--realtime=yes", "--high-priority=yes", "-F"),
            str(self._script),
        ]
        with self._log.open("ab") as log:
            self._daemon = subprocess.Popen(
                command, env={**os.environ, **self.environment}, stdout=log, stderr=log
            )
        limit = time.monotonic() + _START
        while self._sinks() < {"speaker", "microphone"}:
            if self._daemon.poll() is not None or time.monotonic() > limit:
                said = self._log.read_text(encoding="utf-8", errors="replace")
                self.stop()
                raise RuntimeError(f"PulseAudio does not start: {said}")
            # it says nowhere when it is ready: asking is all there is
            time.sleep(0.05)

    def _sinks(self) -> set[str]:
        listed = self.run("pactl", "list", "short", "sinks", check=False)
        return {line.split("\t")[1] for line in listed.splitlines() if "\t" in line}

    def stop(self) -> None:
        """End the daemon as if it had crashed: programs lose their devices. Idempotent."""
        daemon, self._daemon = self._daemon, None
        if daemon is not None:
            daemon.kill()
            daemon.wait(10)

    def run(self, *command: str, check: bool = True) -> str:
        """What a command says that talks to the daemon."""
        done = subprocess.run(
            command, env={**os.environ, **self.environment}, capture_output=True, timeout=20
        )
        if check and done.returncode:
            raise RuntimeError(f"{command}: {done.stderr.decode(errors='replace')}")
        return done.stdout.decode(errors="replace")

    def say(self, pcm: bytes) -> subprocess.Popen[bytes]:
        """Play PCM16 mono at 24 kHz into the virtual microphone; wait for it with `.wait()`."""
        # much at a time: a busy machine must not tear what is said
        return self._cat(["--playback", "--device=microphone", "--latency-msec=300"], pcm)

    def record(self, sink: str, to: Path) -> subprocess.Popen[bytes]:
        """Record a sink's monitor as PCM16 mono at 24 kHz, until `.terminate()`; it has begun."""
        # little at a time: the sink hands it over as late as its slowest listener allows
        spec = [f"--device={sink}.monitor", "--latency-msec=20", *_SPEC]
        command = [*FIRST, "pacat", "--record", *spec]
        with to.open("wb") as file:
            recorder = subprocess.Popen(
                command, env={**os.environ, **self.environment}, stdout=file
            )
        limit = time.monotonic() + _START
        while to.stat().st_size < RATE // 5:
            if recorder.poll() is not None or time.monotonic() > limit:
                recorder.kill()
                raise RuntimeError("the recording does not begin")
            time.sleep(0.02)
        return recorder

    def _cat(self, options: list[str], pcm: bytes) -> subprocess.Popen[bytes]:
        source = self._home / "played.raw"
        source.write_bytes(pcm)
        command = [*FIRST, "pacat", *options, *_SPEC, str(source)]
        return subprocess.Popen(command, env={**os.environ, **self.environment})

    def __enter__(self) -> NullSinks:
        try:
            self.start()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()
        shutil.rmtree(self._home, ignore_errors=True)


_SPEC = ["--raw", "--format=s16le", f"--rate={RATE}", "--channels=1"]


def main(command: list[str]) -> int:
    """Run a command with null sinks; its exit code."""
    if reason := missing():
        print(reason, file=sys.stderr)  # noqa: T201
        return 2
    with NullSinks() as sinks:
        return subprocess.run(command, env={**os.environ, **sinks.environment}).returncode


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
