"""Makes sound files, and files of any format with ffmpeg."""

import importlib
import io
import math
import platform
import subprocess
import wave
from array import array
from pathlib import Path
from typing import Final

import pytest

SAMPLE_RATE: Final = 16_000


def installed_ffmpeg() -> Path:
    """The ffmpeg of the test dependencies. Skips the test on processors that have none."""
    has_wheel = platform.machine() == "x86_64"
    module = (importlib.import_module if has_wheel else pytest.importorskip)("imageio_ffmpeg")
    return Path(module.get_ffmpeg_exe())


def run_ffmpeg(ffmpeg: Path, *arguments: str | Path) -> None:
    command = [str(ffmpeg), "-nostdin", "-y", "-loglevel", "error", *map(str, arguments)]
    completed = subprocess.run(command, capture_output=True, text=True)
    assert completed.returncode == 0, completed.stderr


def make_wav(*tones: tuple[float, float]) -> bytes:
    """A WAV file of tones, each with its seconds and a loudness from 0 to 1."""
    content = io.BytesIO()
    with wave.open(content, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(SAMPLE_RATE)
        for seconds, loudness in tones:
            second = array(
                "h", (round(32_000 * loudness * math.sin(at * 0.2)) for at in range(SAMPLE_RATE))
            ).tobytes()
            size = round(seconds * SAMPLE_RATE) * 2
            file.writeframes((second * math.ceil(seconds))[:size])
    return content.getvalue()


def write_tones(path: Path, *tones: tuple[float, float]) -> Path:
    """Write a WAV file: see `make_wav`."""
    path.write_bytes(make_wav(*tones))
    return path
