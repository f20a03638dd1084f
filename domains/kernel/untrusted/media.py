"""Recordings: detect the format of a file and split it into pieces for speech-to-text.

File names and declared content types are ignored. ffmpeg is told which format to read: a format
that it detects itself may be a playlist, which names local files and URLs to read.
"""

import asyncio
import itertools
import math
import re
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

import msgspec
import structlog

from domains.kernel.core.problems import (
    NO_DISK_SPACE,
    DependencyUnavailable,
    Invalid,
    Unavailable,
    names_full_disk,
)
from domains.kernel.untrusted import sandbox
from domains.kernel.untrusted.sandbox import Limits

log = structlog.get_logger()

# Bytes at the start of a file from which `detect_format` recognises it.
HEAD_BYTES: Final = 4096

# Maximum duration of a recording, in seconds.
MAX_DURATION: Final = 12 * 3600.0

# Pieces are 16-bit mono FLAC at this sample rate. Speech recognition uses no more.
_SAMPLE_RATE: Final = 16_000
# Upper bounds of the size of a piece: samples that do not compress, with FLAC's frames and header.
_BYTES_PER_SECOND: Final = 33_000
_HEADER_BYTES: Final = 16_384

# Loudness is measured per window of this many seconds. Nobody speaks below the silence level.
_WINDOW: Final = 0.2
_SILENCE: Final = -70.0  # dB of full scale

# For ffmpeg. It reads a recording of the maximum duration in a few minutes.
_LIMITS: Final = Limits(
    time=3600.0,
    cpu=1800.0,
    memory=2 * 1024**3,
    output=64 * 1024**2,
    file_size=round(_BYTES_PER_SECOND * (MAX_DURATION + 60)),
)

# Each thread of ffmpeg would otherwise reserve much of the memory limit without using it.
_ENVIRONMENT: Final = {"MALLOC_ARENA_MAX": "2"}

# Characters of ffmpeg's errors that are logged.
_MAX_LOGGED: Final = 500

_NO_SOUND: Final = "The recording has no sound."
_UNREADABLE: Final = "The recording is damaged or its format is not supported."


class MediaFormat(msgspec.Struct, frozen=True):
    """A container format. `video` is True if it may contain pictures.

    `demuxer` is ffmpeg's name of the format. Speech-to-text services recognise it by `suffix`.
    """

    container: str
    content_type: str
    video: bool
    demuxer: str
    suffix: str


class Piece(msgspec.Struct, frozen=True):
    """A sound file with a part of a recording.

    `offset` is its start in the recording. `offset` and `duration` are in seconds; `duration` is
    None if unknown. Nobody speaks in a `silent` piece.
    """

    path: Path
    name: str
    content_type: str
    offset: float
    duration: float | None
    silent: bool = False


_MP4: Final = MediaFormat("mp4", "video/mp4", True, "mov", ".mp4")
_M4A: Final = MediaFormat("m4a", "audio/mp4", False, "mov", ".m4a")
_MOV: Final = MediaFormat("mov", "video/quicktime", True, "mov", ".mov")
_3GP: Final = MediaFormat("3gp", "video/3gpp", True, "mov", ".3gp")
_3G2: Final = MediaFormat("3g2", "video/3gpp2", True, "mov", ".3g2")
_WEBM: Final = MediaFormat("webm", "video/webm", True, "matroska", ".webm")
_MKV: Final = MediaFormat("mkv", "video/x-matroska", True, "matroska", ".mkv")
_MP3: Final = MediaFormat("mp3", "audio/mpeg", False, "mp3", ".mp3")
_WAV: Final = MediaFormat("wav", "audio/wav", False, "wav", ".wav")
_FLAC: Final = MediaFormat("flac", "audio/flac", False, "flac", ".flac")
_OGG: Final = MediaFormat("ogg", "audio/ogg", False, "ogg", ".ogg")
_OGV: Final = MediaFormat("ogv", "video/ogg", True, "ogg", ".ogv")
_AAC: Final = MediaFormat("aac", "audio/aac", False, "aac", ".aac")
_AMR: Final = MediaFormat("amr", "audio/amr", False, "amr", ".amr")
_AVI: Final = MediaFormat("avi", "video/x-msvideo", True, "avi", ".avi")
_ASF: Final = MediaFormat("asf", "video/x-ms-asf", True, "asf", ".asf")
_AIFF: Final = MediaFormat("aiff", "audio/aiff", False, "aiff", ".aiff")
_CAF: Final = MediaFormat("caf", "audio/x-caf", False, "caf", ".caf")
_PS: Final = MediaFormat("mpeg", "video/mpeg", True, "mpeg", ".mpg")
_TS: Final = MediaFormat("mpegts", "video/mp2t", True, "mpegts", ".ts")

_BRAND_PREFIXES: Final[Sequence[tuple[MediaFormat, tuple[bytes, ...]]]] = (
    (_M4A, (b"M4A", b"M4B", b"M4P")),
    (_MOV, (b"qt  ",)),
    (_3GP, (b"3gp",)),
    (_3G2, (b"3g2",)),
    (_MP4, (b"iso", b"mp4", b"avc1", b"M4V", b"dash", b"cmf", b"MSNV", b"mmp4", b"F4", b"f4v")),
)
# Images in the same container as videos.
_IMAGE_BRANDS: Final = (b"hei", b"hev", b"mif1", b"msf1", b"avif", b"avis", b"crx ", b"jp", b"mj")

# Files of early QuickTime versions have no `ftyp` box and begin with one of these.
_QUICKTIME_BOXES: Final = frozenset({b"moov", b"mdat", b"wide", b"free", b"skip", b"pnot"})

_MAGIC_BYTES: Final[Sequence[tuple[bytes, MediaFormat]]] = (
    (b"fLaC", _FLAC),
    (b"#!AMR\n", _AMR),
    (b"#!AMR-WB\n", _AMR),
    (b"caff\0\1", _CAF),
    (b"\0\0\1\xba", _PS),
    (bytes.fromhex("3026b2758e66cf11a6d900aa0062ce6c"), _ASF),
)
_CHUNK_FORMATS: Final = {
    (b"RIFF", b"WAVE"): _WAV,
    (b"RF64", b"WAVE"): _WAV,
    (b"BW64", b"WAVE"): _WAV,
    (b"RIFF", b"AVI "): _AVI,
    (b"FORM", b"AIFF"): _AIFF,
    (b"FORM", b"AIFC"): _AIFF,
}


def detect_format(head: bytes) -> MediaFormat | None:
    """Detect the format of a recording from its first HEAD_BYTES bytes. None if not supported.

    The rest of the file may still be damaged.
    """
    for magic, media in _MAGIC_BYTES:
        if head.startswith(magic):
            return media
    if chunk_format := _CHUNK_FORMATS.get((head[:4], head[8:12])):
        return chunk_format
    if head.startswith(b"OggS"):
        return _OGV if b"\x80theora" in head else _OGG
    if head.startswith(b"\x1a\x45\xdf\xa3"):
        return _matroska_format(head)
    if head[4:8] == b"ftyp" or head[4:8] in _QUICKTIME_BOXES:
        return _mp4_format(head)
    return _stream_format(head)


def _matroska_format(head: bytes) -> MediaFormat | None:
    doc_type = re.search(rb"\x42\x82[\x80-\xff](webm|matroska)", head[:256])
    if doc_type is None:
        return None
    return _WEBM if doc_type[1] == b"webm" else _MKV


def _mp4_format(head: bytes) -> MediaFormat | None:
    size = int.from_bytes(head[:4], "big")
    if head[4:8] != b"ftyp":
        # A data box may have any size. Other boxes are small; text would be read as a large size.
        return _MOV if head[4:8] == b"mdat" or 8 <= size < 1 << 28 else None
    major, compatible = head[8:12], head[16 : max(16, min(size, HEAD_BYTES))]
    brands = [major, *(compatible[at : at + 4] for at in range(0, len(compatible), 4))]
    if major.startswith(_IMAGE_BRANDS):
        return None
    formats = (
        media for brand in brands for media, known in _BRAND_PREFIXES if brand.startswith(known)
    )
    return next(formats, None)


def _stream_format(head: bytes) -> MediaFormat | None:
    """Detect a stream without magic bytes, by several frames in a row."""
    if head.startswith(b"ID3"):
        # An ID3 tag may precede any format. Its length is stored with seven bits per byte.
        length = 0
        for byte in head[6:10]:
            length = length << 7 | byte & 0x7F
        after = head[10 + length :]
        if after.startswith(b"fLaC"):
            return _FLAC
        return _AAC if _has_two_frames(after, _adts_length) else _MP3
    if _has_two_frames(head, _mpeg_audio_length):
        return _MP3
    if _has_two_frames(head, _adts_length):
        return _AAC
    for packet_size, sync_offset in ((188, 0), (192, 4)):
        sync_bytes = head[sync_offset::packet_size]
        if len(sync_bytes) >= 3 and set(sync_bytes) == {0x47}:
            return _TS
    return None


def _has_two_frames(head: bytes, frame_length: Callable[[bytes], int]) -> bool:
    first = frame_length(head[:8])
    return first > 0 and frame_length(head[first : first + 8]) > 0


# Sample rates of MPEG-1, and kilobits per second by (is MPEG-1, layer).
_MPEG_SAMPLE_RATES: Final = (44_100, 48_000, 32_000)
_MPEG_BITRATES: Final = {
    (True, 2): (32, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384),
    (True, 3): (32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320),
    (False, 2): (8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
    (False, 3): (8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
}


def _mpeg_audio_length(header: bytes) -> int:
    """Return the length in bytes of an MPEG audio frame, layer II or III. 0 if not a header."""
    if len(header) < 4 or header[0] != 0xFF or header[1] < 0xE0:
        return 0
    version, layer = header[1] >> 3 & 3, 4 - (header[1] >> 1 & 3)
    rate, bitrate = header[2] >> 2 & 3, header[2] >> 4
    if version == 1 or layer not in (2, 3) or rate == 3 or bitrate in (0, 15):
        return 0
    is_mpeg1 = version == 3
    hertz = _MPEG_SAMPLE_RATES[rate] >> (0 if is_mpeg1 else 1 if version == 2 else 2)
    samples = 1152 if is_mpeg1 or layer == 2 else 576
    padding = header[2] >> 1 & 1
    return samples // 8 * 1000 * _MPEG_BITRATES[is_mpeg1, layer][bitrate - 1] // hertz + padding


def _adts_length(header: bytes) -> int:
    """Return the length in bytes of an ADTS frame. 0 if not a header."""
    if len(header) < 7 or header[0] != 0xFF or header[1] & 0xF6 != 0xF0:
        return 0
    if header[2] >> 2 & 15 > 12:
        return 0
    length = (header[3] & 3) << 11 | header[4] << 3 | header[5] >> 5
    return length if length > 7 else 0


async def split_recording(
    recording: Path,
    media: MediaFormat,
    folder: Path,
    *,
    max_seconds: float = 600.0,
    max_bytes: int = 24_000_000,
    ffmpeg: Path | None = None,
) -> list[Piece]:
    """Split a recording into files in `folder`, each at most `max_seconds` and `max_bytes` long.

    With ffmpeg (by default the one on PATH) the pieces are mono FLAC files. Together they are as
    long as the recording's sound. Each ends at the quietest moment of its last third. Without
    ffmpeg, a recording of at most `max_bytes` is the only piece, unchanged.

    Raises Invalid, with a sentence for the customer, if the recording has no sound, is damaged, is
    longer than MAX_DURATION or needs ffmpeg. Raises Unavailable if a retry may succeed.
    """
    program = ffmpeg or shutil.which("ffmpeg")
    if program is None:
        size = (await asyncio.to_thread(recording.stat)).st_size
        if size > max_bytes:
            raise Invalid(
                f"A recording of more than {max_bytes // 1_000_000} MB needs ffmpeg to be split "
                "into pieces. It is not installed."
            )
        return [Piece(recording, f"recording{media.suffix}", media.content_type, 0.0, None)]
    return await _Splitter(Path(program), recording, folder, max_seconds, max_bytes).split(media)


class _Splitter:
    """Converts an untrusted file to FLAC once, then splits the result."""

    def __init__(
        self, ffmpeg: Path, recording: Path, folder: Path, max_seconds: float, max_bytes: int
    ) -> None:
        # Absolute, since ffmpeg runs in the folder.
        self._ffmpeg = ffmpeg.absolute()
        self._recording = recording.absolute()
        self._folder = folder.absolute()
        self._max_seconds = min(max_seconds, (max_bytes - _HEADER_BYTES) / _BYTES_PER_SECOND)

    async def split(self, media: MediaFormat) -> list[Piece]:
        whole = self._folder / "whole.flac"
        levels = await self._convert(media, whole)
        duration = await asyncio.to_thread(flac_duration, whole)
        if not duration:
            raise Invalid(_NO_SOUND)
        if duration > MAX_DURATION:
            raise Invalid(f"The recording is longer than {MAX_DURATION / 3600:.0f} hours.")
        edges = [0.0, *cut_points(levels, duration, self._max_seconds), duration]
        if len(edges) == 2:
            return [self._piece(whole, levels, 0.0, duration)]
        pieces = []
        for number, (start, end) in enumerate(itertools.pairwise(edges)):
            path = self._folder / f"piece-{number:03}.flac"
            await self._run_ffmpeg(
                *("-ss", f"{start:.3f}", "-f", "flac", "-i", f"file:{whole}"),
                *("-t", f"{end - start:.3f}", *_FLAC_OUT, f"file:{path}"),
            )
            pieces.append(self._piece(path, levels, start, end))
        await asyncio.to_thread(whole.unlink)
        return pieces

    async def _convert(self, media: MediaFormat, whole: Path) -> list[float]:
        """Write all sound to `whole`. Return the loudness of each window, in dB."""
        filters = (
            f"aformat=sample_fmts=s16:sample_rates={_SAMPLE_RATE}:channel_layouts=mono",
            # Fill a late start and gaps with silence, so that times stay those of the recording.
            "aresample=async=1:first_pts=0",
            f"asetnsamples=n={round(_SAMPLE_RATE * _WINDOW)}:p=0",
            "astats=metadata=1:reset=1:measure_perchannel=none:measure_overall=RMS_level",
            "ametadata=mode=print:key=lavfi.astats.Overall.RMS_level:file=pipe\\\\:1",
        )
        output = await self._run_ffmpeg(
            *("-vn", "-sn", "-dn", "-f", media.demuxer, "-i", f"file:{self._recording}"),
            *("-map", "0:a:0", "-t", f"{MAX_DURATION + 1:.0f}", "-af", ",".join(filters)),
            *(*_FLAC_OUT, f"file:{whole}"),
        )
        return await asyncio.to_thread(_parse_levels, output)

    def _piece(self, path: Path, levels: Sequence[float], start: float, end: float) -> Piece:
        own_levels = levels[math.floor(start / _WINDOW) : math.ceil(end / _WINDOW)]
        silent = bool(own_levels) and max(own_levels) < _SILENCE
        return Piece(path, path.name, "audio/flac", start, end - start, silent)

    async def _run_ffmpeg(self, *arguments: str) -> bytes:
        """Run ffmpeg in a sandbox and return its output. It can read local files but no URLs."""
        command = (str(self._ffmpeg), *_FFMPEG, *arguments)
        try:
            completed = await sandbox.run(
                command, _LIMITS, cwd=self._folder, environment=_ENVIRONMENT
            )
        except sandbox.SandboxTimeout:
            raise Unavailable("Reading the recording took too long.") from None
        except sandbox.LimitExceeded as error:
            _log_failure(str(error), error.errors)
            raise Invalid("Reading the recording took too much time or memory.") from None
        except sandbox.KilledBySignal as error:
            _log_failure(str(error), error.errors)
            if error.is_crash:
                raise Invalid(_UNREADABLE) from None
            raise Unavailable("Reading the recording was interrupted.") from None
        if completed.returncode == 0:
            return completed.output
        if "matches no streams" in completed.errors:
            raise Invalid(_NO_SOUND)
        if names_full_disk(completed.errors):
            raise DependencyUnavailable("disk", NO_DISK_SPACE)
        _log_failure(completed.returncode, completed.errors)
        raise Invalid(_UNREADABLE)


def _log_failure(error: str | int, stderr: str) -> None:
    log.warning("recording_read_failed", error=error, said=stderr[-_MAX_LOGGED:])


# One thread: other jobs need the processors as well.
_FFMPEG: Final = (
    *("-nostdin", "-hide_banner", "-nostats", "-loglevel", "error", "-y"),
    *("-filter_threads", "1", "-threads", "1", "-protocol_whitelist", "file,pipe"),
)
_FLAC_OUT: Final = (
    *("-map_metadata", "-1", "-map_chapters", "-1", "-bitexact"),
    *("-threads", "1", "-c:a", "flac", "-f", "flac"),
)


def _parse_levels(output: bytes) -> list[float]:
    levels = re.finditer(rb"^lavfi\.astats\.Overall\.RMS_level=(\S+)$", output, re.MULTILINE)
    return [float(level[1]) for level in levels]


def flac_duration(path: Path) -> float:
    """Return the seconds of a FLAC file, from the number of samples in its header."""
    with path.open("rb") as file:
        header = file.read(26)
    if len(header) < 26:
        return 0.0
    packed = int.from_bytes(header[18:26], "big")
    return (packed & (1 << 36) - 1) / (packed >> 44)


def cut_points(levels: Sequence[float], duration: float, max_seconds: float) -> list[float]:
    """Return the times at which to cut, so that no piece is longer than `max_seconds`.

    Each cut is between two quiet windows of the last third of a piece. Ties take the latest.
    """
    cuts: list[float] = []
    start = 0.0
    while duration - start > max_seconds:
        # Services refuse very short files: leave some length for the last piece.
        latest = min(start + max_seconds, duration - max_seconds / 10)
        first = math.ceil((start + max_seconds * 2 / 3) / _WINDOW)
        last = math.floor(latest / _WINDOW)
        edges = range(max(first, 1), min(last, len(levels) - 1) + 1)
        quietest = min(edges, key=lambda at: (max(levels[at - 1 : at + 1]), -at), default=None)
        start = latest if quietest is None else quietest * _WINDOW
        cuts.append(start)
    return cuts
