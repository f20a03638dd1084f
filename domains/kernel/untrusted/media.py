"""Recordings: what a file is by its content, and cutting one into pieces for speech to text.

Nothing here believes a name or a declared type. ffmpeg is told which format to read, because one
that it guesses may be a playlist, and that names local files and addresses to read.
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

from domains.kernel.core.problems import Invalid, Unavailable
from domains.kernel.untrusted import sandbox
from domains.kernel.untrusted.sandbox import Limits

log = structlog.get_logger()

# How much of a file's beginning `kind_of` wants to see, in bytes.
HEAD: Final = 4096

# The longest recording that is read, in seconds.
LONGEST: Final = 12 * 3600.0

# What pieces are made of: all that speech recognition uses of a sound.
_RATE: Final = 16_000
_BYTES_A_SECOND: Final = 33_000  # 16 bits a sample, and FLAC's frames where nothing compresses
_HEADER: Final = 16_384

# Seconds for which one loudness is measured, and the loudness below which nobody speaks.
_WINDOW: Final = 0.2
_SILENT: Final = -70.0  # dB of full scale

# What ffmpeg may take. A whole recording of the greatest length is read in a few minutes.
_LIMITS: Final = Limits(
    time=3600.0,
    cpu=1800.0,
    memory=2 * 1024**3,
    output=64 * 1024**2,
    written=round(_BYTES_A_SECOND * (LONGEST + 60)),
)

# Its threads would reserve much of that memory each, and never use it.
_FRUGAL: Final = {"MALLOC_ARENA_MAX": "2"}

# Characters of its complaints that are logged.
_SHOWN: Final = 500

_NO_SOUND: Final = "The recording has no sound."
_UNREADABLE: Final = "The recording cannot be read: it is damaged, or not what its content claims."


class Media(msgspec.Struct, frozen=True):
    """What a file is: its container, and all that follows from that.

    `video` means that it may hold pictures. `demuxer` is ffmpeg's name of the format, to be forced;
    `suffix` the file name ending by which services tell formats apart.
    """

    container: str
    content_type: str
    video: bool
    demuxer: str
    suffix: str


class Piece(msgspec.Struct, frozen=True):
    """A file of sound, and where in the recording it begins.

    `offset` and `duration` in seconds; None where the duration is not known. Nobody speaks in a
    `silent` one.
    """

    path: Path
    name: str
    content_type: str
    offset: float
    duration: float | None
    silent: bool = False


_MP4: Final = Media("mp4", "video/mp4", True, "mov", ".mp4")
_M4A: Final = Media("m4a", "audio/mp4", False, "mov", ".m4a")
_MOV: Final = Media("mov", "video/quicktime", True, "mov", ".mov")
_3GP: Final = Media("3gp", "video/3gpp", True, "mov", ".3gp")
_3G2: Final = Media("3g2", "video/3gpp2", True, "mov", ".3g2")
_WEBM: Final = Media("webm", "video/webm", True, "matroska", ".webm")
_MKV: Final = Media("mkv", "video/x-matroska", True, "matroska", ".mkv")
_MP3: Final = Media("mp3", "audio/mpeg", False, "mp3", ".mp3")
_WAV: Final = Media("wav", "audio/wav", False, "wav", ".wav")
_FLAC: Final = Media("flac", "audio/flac", False, "flac", ".flac")
_OGG: Final = Media("ogg", "audio/ogg", False, "ogg", ".ogg")
_OGV: Final = Media("ogv", "video/ogg", True, "ogg", ".ogv")
_AAC: Final = Media("aac", "audio/aac", False, "aac", ".aac")
_AMR: Final = Media("amr", "audio/amr", False, "amr", ".amr")
_AVI: Final = Media("avi", "video/x-msvideo", True, "avi", ".avi")
_ASF: Final = Media("asf", "video/x-ms-asf", True, "asf", ".asf")
_AIFF: Final = Media("aiff", "audio/aiff", False, "aiff", ".aiff")
_CAF: Final = Media("caf", "audio/x-caf", False, "caf", ".caf")
_PS: Final = Media("mpeg", "video/mpeg", True, "mpeg", ".mpg")
_TS: Final = Media("mpegts", "video/mp2t", True, "mpegts", ".ts")

_BRANDS: Final[Sequence[tuple[bytes, Media]]] = (
    (b"M4A", _M4A),
    (b"M4B", _M4A),
    (b"M4P", _M4A),
    (b"qt  ", _MOV),
    (b"3gp", _3GP),
    (b"3g2", _3G2),
    (b"iso", _MP4),
    (b"mp4", _MP4),
    (b"avc1", _MP4),
    (b"M4V", _MP4),
    (b"dash", _MP4),
    (b"cmf", _MP4),
    (b"MSNV", _MP4),
    (b"mmp4", _MP4),
    (b"F4", _MP4),
    (b"f4v", _MP4),
)
# Pictures use the same boxes as films.
_PICTURES: Final = (b"hei", b"hev", b"mif1", b"msf1", b"avif", b"avis", b"crx ", b"jp", b"mj")

# Without `ftyp`, QuickTime's first versions begin with one of these boxes.
_BOXES: Final = frozenset({b"moov", b"mdat", b"wide", b"free", b"skip", b"pnot"})

_FIRST_BYTES: Final[Sequence[tuple[bytes, Media]]] = (
    (b"fLaC", _FLAC),
    (b"#!AMR\n", _AMR),
    (b"#!AMR-WB\n", _AMR),
    (b"caff\0\1", _CAF),
    (b"\0\0\1\xba", _PS),
    (bytes.fromhex("3026b2758e66cf11a6d900aa0062ce6c"), _ASF),
)
_FORMS: Final = {
    (b"RIFF", b"WAVE"): _WAV,
    (b"RF64", b"WAVE"): _WAV,
    (b"BW64", b"WAVE"): _WAV,
    (b"RIFF", b"AVI "): _AVI,
    (b"FORM", b"AIFF"): _AIFF,
    (b"FORM", b"AIFC"): _AIFF,
}


def kind_of(head: bytes) -> Media | None:
    """What the file is that begins with these bytes; None if it is no recording we know.

    `HEAD` bytes are enough. The bytes after them are not looked at: the file may be damaged.
    """
    for magic, media in _FIRST_BYTES:
        if head.startswith(magic):
            return media
    if form := _FORMS.get((head[:4], head[8:12])):
        return form
    if head.startswith(b"OggS"):
        return _OGV if b"\x80theora" in head else _OGG
    if head.startswith(b"\x1a\x45\xdf\xa3"):
        return _ebml(head)
    if head[4:8] == b"ftyp" or head[4:8] in _BOXES:
        return _boxes(head)
    return _stream(head)


def _ebml(head: bytes) -> Media | None:
    found = re.search(rb"\x42\x82[\x80-\xff](webm|matroska)", head[:256])
    if found is None:
        return None
    return _WEBM if found[1] == b"webm" else _MKV


def _boxes(head: bytes) -> Media | None:
    size = int.from_bytes(head[:4], "big")
    if head[4:8] != b"ftyp":
        # A box of data may have any length; the others are small, and letters are a large number.
        return _MOV if head[4:8] == b"mdat" or 8 <= size < 1 << 28 else None
    main, others = head[8:12], head[16 : max(16, min(size, HEAD))]
    brands = [main, *(others[at : at + 4] for at in range(0, len(others), 4))]
    if main.startswith(_PICTURES):
        return None
    known = (media for brand in brands for start, media in _BRANDS if brand.startswith(start))
    return next(known, None)


def _stream(head: bytes) -> Media | None:
    """Streams that begin with no name: only a row of frames tells them from chance."""
    if head.startswith(b"ID3"):
        # The tag's length is written with seven bits in a byte. Some put it before other formats.
        length = 0
        for byte in head[6:10]:
            length = length << 7 | byte & 0x7F
        after = head[10 + length :]
        if after.startswith(b"fLaC"):
            return _FLAC
        return _AAC if _frames(after, _adts_length) else _MP3
    if _frames(head, _mpeg_audio_length):
        return _MP3
    if _frames(head, _adts_length):
        return _AAC
    for size, first in ((188, 0), (192, 4)):
        syncs = head[first::size]
        if len(syncs) >= 3 and set(syncs) == {0x47}:
            return _TS
    return None


def _frames(head: bytes, length: Callable[[bytes], int]) -> bool:
    """Whether the bytes begin with two frames, by the length that each header tells."""
    first = length(head[:8])
    return first > 0 and length(head[first : first + 8]) > 0


_RATES: Final = (44_100, 48_000, 32_000)
_KILOBITS: Final = {
    (True, 2): (32, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384),
    (True, 3): (32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320),
    (False, 2): (8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
    (False, 3): (8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
}


def _mpeg_audio_length(header: bytes) -> int:
    """Bytes of the MPEG audio frame, layer II or III, with this header; 0 if it is none."""
    if len(header) < 4 or header[0] != 0xFF or header[1] < 0xE0:
        return 0
    version, layer = header[1] >> 3 & 3, 4 - (header[1] >> 1 & 3)
    rate, kilobits = header[2] >> 2 & 3, header[2] >> 4
    if version == 1 or layer not in (2, 3) or rate == 3 or kilobits in (0, 15):
        return 0
    full = version == 3
    hertz = _RATES[rate] >> (0 if full else 1 if version == 2 else 2)
    samples = 1152 if full or layer == 2 else 576
    padding = header[2] >> 1 & 1
    return samples // 8 * 1000 * _KILOBITS[full, layer][kilobits - 1] // hertz + padding


def _adts_length(header: bytes) -> int:
    """Bytes of the ADTS frame with this header; 0 if it is none."""
    if len(header) < 7 or header[0] != 0xFF or header[1] & 0xF6 != 0xF0:
        return 0
    if header[2] >> 2 & 15 > 12:
        return 0
    length = (header[3] & 3) << 11 | header[4] << 3 | header[5] >> 5
    return length if length > 7 else 0


async def pieces(
    recording: Path,
    media: Media,
    folder: Path,
    *,
    longest: float = 600.0,
    largest: int = 24_000_000,
    ffmpeg: Path | None = None,
) -> list[Piece]:
    """The recording as files in `folder`, each at most `longest` seconds and `largest` bytes.

    With ffmpeg, the given one or that of PATH, these are mono FLAC, together as long as the
    recording's sound, and each ends at the quietest moment of its last third. Without it a
    recording that is small enough is its one piece, as it is.

    Invalid, with a sentence for the customer, if it has no sound, cannot be read, is longer than
    `LONGEST`, or is too large to go as it is. Unavailable if the reading was cut short by others.
    """
    found = ffmpeg or shutil.which("ffmpeg")
    if found is None:
        size = (await asyncio.to_thread(recording.stat)).st_size
        if size > largest:
            raise Invalid(
                f"A recording of more than {largest // 1_000_000} MB needs ffmpeg to be cut into "
                "pieces, and that is not installed."
            )
        return [Piece(recording, f"recording{media.suffix}", media.content_type, 0.0, None)]
    return await _Cutter(Path(found), recording, folder, longest, largest).cut(media)


class _Cutter:
    """Has ffmpeg read a stranger's file once, and cuts what it made of it."""

    def __init__(
        self, ffmpeg: Path, recording: Path, folder: Path, longest: float, largest: int
    ) -> None:
        # Absolute, since ffmpeg runs in the folder.
        self._ffmpeg = ffmpeg.absolute()
        self._recording = recording.absolute()
        self._folder = folder.absolute()
        self._longest = min(longest, (largest - _HEADER) / _BYTES_A_SECOND)

    async def cut(self, media: Media) -> list[Piece]:
        whole = self._folder / "whole.flac"
        levels = await self._read(media, whole)
        duration = await asyncio.to_thread(_duration, whole)
        if not duration:
            raise Invalid(_NO_SOUND)
        if duration > LONGEST:
            raise Invalid(f"The recording is longer than {LONGEST / 3600:.0f} hours.")
        edges = [0.0, *_cuts(levels, duration, self._longest), duration]
        if len(edges) == 2:
            return [self._piece(whole, levels, 0.0, duration)]
        made = []
        for number, (start, end) in enumerate(itertools.pairwise(edges)):
            path = self._folder / f"piece-{number:03}.flac"
            await self._run(
                *("-ss", f"{start:.3f}", "-f", "flac", "-i", f"file:{whole}"),
                *("-t", f"{end - start:.3f}", *_FLAC_OUT, f"file:{path}"),
            )
            made.append(self._piece(path, levels, start, end))
        await asyncio.to_thread(whole.unlink)
        return made

    async def _read(self, media: Media, whole: Path) -> list[float]:
        """Write all sound as `whole`; answers with its loudness, one number for each window."""
        filters = (
            f"aformat=sample_fmts=s16:sample_rates={_RATE}:channel_layouts=mono",
            # Sound that begins late or has holes keeps its place in the recording.
            "aresample=async=1:first_pts=0",
            f"asetnsamples=n={round(_RATE * _WINDOW)}:p=0",
            "astats=metadata=1:reset=1:measure_perchannel=none:measure_overall=RMS_level",
            "ametadata=mode=print:key=lavfi.astats.Overall.RMS_level:file=pipe\\\\:1",
        )
        printed = await self._run(
            *("-vn", "-sn", "-dn", "-f", media.demuxer, "-i", f"file:{self._recording}"),
            *("-map", "0:a:0", "-t", f"{LONGEST + 1:.0f}", "-af", ",".join(filters)),
            *(*_FLAC_OUT, f"file:{whole}"),
        )
        return await asyncio.to_thread(_levels, printed)

    def _piece(self, path: Path, levels: Sequence[float], start: float, end: float) -> Piece:
        heard = levels[math.floor(start / _WINDOW) : math.ceil(end / _WINDOW)]
        silent = bool(heard) and max(heard) < _SILENT
        return Piece(path, path.name, "audio/flac", start, end - start, silent)

    async def _run(self, *arguments: str) -> bytes:
        """What ffmpeg prints. It reads only files, and asks nobody anything."""
        command = (str(self._ffmpeg), *_FFMPEG, *arguments)
        try:
            done = await sandbox.run(command, _LIMITS, cwd=self._folder, environment=_FRUGAL)
        except sandbox.TookTooLong:
            raise Unavailable("The reading of the recording took too long.") from None
        except sandbox.TookTooMuch as failure:
            log.warning("recording_refused", error=str(failure), said=failure.errors[-_SHOWN:])
            raise Invalid("The reading of the recording took too much time or memory.") from None
        except sandbox.Died as failure:
            log.warning("recording_refused", error=str(failure), said=failure.errors[-_SHOWN:])
            if failure.crashed:
                raise Invalid(_UNREADABLE) from None
            raise Unavailable("The reading of the recording was interrupted.") from None
        if done.returncode == 0:
            return done.output
        if "matches no streams" in done.errors:
            raise Invalid(_NO_SOUND)
        if "No space left" in done.errors:
            raise Unavailable("There is no room to read the recording in.")
        log.warning("recording_refused", error=done.returncode, said=done.errors[-_SHOWN:])
        raise Invalid(_UNREADABLE)


# Not one process for each core: others have work, too.
_FFMPEG: Final = (
    *("-nostdin", "-hide_banner", "-nostats", "-loglevel", "error", "-y"),
    *("-filter_threads", "1", "-threads", "1", "-protocol_whitelist", "file,pipe"),
)
_FLAC_OUT: Final = (
    *("-map_metadata", "-1", "-map_chapters", "-1", "-bitexact"),
    *("-threads", "1", "-c:a", "flac", "-f", "flac"),
)


def _levels(printed: bytes) -> list[float]:
    found = re.finditer(rb"^lavfi\.astats\.Overall\.RMS_level=(\S+)$", printed, re.MULTILINE)
    return [float(each[1]) for each in found]


def _duration(flac: Path) -> float:
    """Seconds of the FLAC file by the number of samples in its header."""
    with flac.open("rb") as file:
        header = file.read(26)
    if len(header) < 26:
        return 0.0
    packed = int.from_bytes(header[18:26], "big")
    return (packed & (1 << 36) - 1) / (packed >> 44)


def _cuts(levels: Sequence[float], duration: float, longest: float) -> list[float]:
    """Where to cut, in seconds: between two quiet windows, no piece longer than `longest`."""
    cuts: list[float] = []
    start = 0.0
    while duration - start > longest:
        # The last piece gets some length, too: services refuse what is too short.
        latest = min(start + longest, duration - longest / 10)
        first, last = math.ceil((start + longest * 2 / 3) / _WINDOW), math.floor(latest / _WINDOW)
        edges = range(max(first, 1), min(last, len(levels) - 1) + 1)
        quietest = min(edges, key=lambda at: (max(levels[at - 1 : at + 1]), -at), default=None)
        start = latest if quietest is None else quietest * _WINDOW
        cuts.append(start)
    return cuts
