"""Recordings: detection of the format, splitting at quiet moments, untrusted content."""

import asyncio
import itertools
import math
import random
import wave
from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domains.kernel.core.problems import Invalid
from domains.kernel.untrusted import media
from domains.kernel.untrusted.media import (
    HEAD_BYTES,
    MediaFormat,
    Piece,
    cut_points,
    detect_format,
    flac_duration,
    split_recording,
)
from tests.fakes.recordings import SAMPLE_RATE, installed_ffmpeg, run_ffmpeg, write_tones


@pytest.fixture(scope="session")
def ffmpeg() -> Path:
    return installed_ffmpeg()


TONE = ("-f", "lavfi", "-i", "sine=frequency=300:duration=2")
VIDEO = ("-f", "lavfi", "-i", "testsrc=size=64x48:rate=5:duration=2")

# File name, container, and options of ffmpeg that make the file.
FORMATS: list[tuple[str, str, tuple[str, ...]]] = [
    ("a.wav", "wav", ()),
    ("a.mp3", "mp3", ()),
    ("bare.mp3", "mp3", ("-id3v2_version", "0", "-write_xing", "0")),
    ("a.mp2", "mp3", ("-c:a", "mp2")),
    ("low.mp3", "mp3", ("-ar", "8000", "-id3v2_version", "0")),
    ("a.m4a", "m4a", ()),
    ("a.mov", "mov", ("-f", "mov")),
    ("a.mp4", "mp4", ()),
    ("a.3gp", "3gp", ("-c:a", "aac")),
    ("a.3g2", "3g2", ("-c:a", "aac")),
    ("a.webm", "webm", ("-c:a", "libopus")),
    ("a.mkv", "mkv", ()),
    ("a.flac", "flac", ()),
    ("a.ogg", "ogg", ("-c:a", "libopus")),
    ("b.ogg", "ogg", ("-c:a", "libvorbis")),
    ("a.aac", "aac", ()),
    ("a.amr", "amr", ("-ar", "8000", "-c:a", "libopencore_amrnb")),
    ("a.avi", "avi", ()),
    ("a.wma", "asf", ()),
    ("a.aiff", "aiff", ()),
    ("a.caf", "caf", ()),
    ("a.mpg", "mpeg", ("-f", "mpeg", "-c:a", "mp2")),
    ("a.ts", "mpegts", ("-c:a", "aac")),
    ("a.m2ts", "mpegts", ("-f", "mpegts", "-mpegts_m2ts_mode", "1", "-c:a", "aac")),
]


def format_of(path: Path) -> MediaFormat | None:
    with path.open("rb") as file:
        return detect_format(file.read(HEAD_BYTES))


async def split(
    recording: Path,
    folder: Path,
    ffmpeg: Path | None,
    max_seconds: float = 600.0,
    max_bytes: int = 24_000_000,
) -> list[Piece]:
    detected = format_of(recording)
    assert detected is not None
    return await split_recording(
        recording, detected, folder, max_seconds=max_seconds, max_bytes=max_bytes, ffmpeg=ffmpeg
    )


def end_of(pieces: Sequence[Piece]) -> float:
    return pieces[-1].offset + (pieces[-1].duration or 0.0)


# ---- formats


@pytest.fixture(scope="session")
def sample_files(ffmpeg: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a file of each format."""
    folder = tmp_path_factory.mktemp("formats")
    outputs = [part for name, _, options in FORMATS for part in (*options, str(folder / name))]
    run_ffmpeg(ffmpeg, *TONE, *outputs)
    return folder


@pytest.mark.parametrize(("name", "container"), [entry[:2] for entry in FORMATS])
async def test_format_is_detected_and_read(
    sample_files: Path, ffmpeg: Path, tmp_path: Path, name: str, container: str
) -> None:
    detected = format_of(sample_files / name)
    assert detected is not None
    assert detected.container == container
    (piece,) = await split_recording(sample_files / name, detected, tmp_path, ffmpeg=ffmpeg)
    assert piece.duration == pytest.approx(2.0, abs=0.15)
    assert not piece.silent
    flac = format_of(piece.path)
    assert flac is not None
    assert flac.container == "flac"


def test_video_is_detected(ffmpeg: Path, tmp_path: Path) -> None:
    run_ffmpeg(ffmpeg, *VIDEO, *TONE, "-c:v", "libtheora", "-c:a", "libvorbis", tmp_path / "a.ogv")
    run_ffmpeg(ffmpeg, *VIDEO, *TONE, tmp_path / "a.mp4")
    formats = {path.name: format_of(path) for path in tmp_path.iterdir()}
    assert {
        name: found and (found.content_type, found.video) for name, found in formats.items()
    } == {"a.ogv": ("video/ogg", True), "a.mp4": ("video/mp4", True)}


@pytest.mark.parametrize(
    "head",
    [
        b"",
        b"\0" * HEAD_BYTES,
        b"\xff" * HEAD_BYTES,
        b"G" * 100,
        b"<!doctype html><html>",
        b"  <html><body>ftyp moov</body>",
        b"%PDF-1.7\n",
        b"PK\3\4" + b"\0" * 100,
        b"#EXTM3U\n#EXT-X-VERSION:3\nfile:///etc/passwd\n",
        b"ffconcat version 1.0\nfile /etc/passwd\n",
        b"\xff\xfeH\0e\0l\0l\0o\0" * 300,  # UTF-16
        b"The moov of the day " * 100,
        b"\xff\xd8\xff\xe0\0\x10JFIF" + b"\0" * 100,
        b"\0\0\0\x18ftypheic\0\0\0\0mif1heic",
        b"\0\0\0\x1cftypavif\0\0\0\0avifmif1miaf",
        b"\x1a\x45\xdf\xa3\x8b\x42\x82\x88other\0\0\0",
        b"RIFF\0\0\0\0WEBPVP8 ",
        b"FORM\0\0\0\0ILBM",
        b"\xff\xfb\x90\x64" + b"\0" * 3000,  # one frame's header without a second frame
    ],
)
def test_other_content_is_not_detected(head: bytes) -> None:
    assert detect_format(head) is None


def test_mp4_variants_are_distinguished_by_their_brands() -> None:
    def container(major: bytes, *compatible: bytes) -> str | None:
        size = (16 + 4 * len(compatible)).to_bytes(4, "big")
        detected = detect_format(size + b"ftyp" + major + b"\0\0\2\0" + b"".join(compatible))
        return None if detected is None else detected.container

    assert container(b"M4A ", b"isom") == "m4a"
    assert container(b"isom", b"M4A ") == "mp4"
    assert container(b"XAVC", b"mp42") == "mp4"
    assert container(b"qt  ") == "mov"
    assert container(b"XXXX", b"YYYY") is None


def test_id3_tag_may_precede_any_format() -> None:
    tag = b"ID3\4\0\0\0\0\0\5" + b"\0" * 5
    frame = b"\xff\xf1\x50\x80\x01\x1f\xfc\0"  # of eight bytes
    formats = [detect_format(tag + rest) for rest in (b"fLaC", frame * 3, b"\0")]
    assert [found and found.container for found in formats] == ["flac", "aac", "mp3"]


@given(st.binary(max_size=64), st.sampled_from([b"", b"ID3", b"OggS", b"\0\0\0\x18ftyp", b"G"]))
def test_any_bytes_are_accepted(rest: bytes, start: bytes) -> None:
    detect_format(start + rest)


# ---- splitting


@given(
    st.lists(st.floats(-90, 0) | st.just(-math.inf), max_size=100),
    st.floats(0.1, 100),
    st.floats(1, 50),
)
def test_no_piece_is_too_long(levels: list[float], duration: float, max_seconds: float) -> None:
    edges = [0.0, *cut_points(levels, duration, max_seconds), duration]
    lengths = [after - before for before, after in itertools.pairwise(edges)]
    assert all(0 < length <= max_seconds + 1e-9 for length in lengths) or len(lengths) == 1


async def test_long_recording_is_split_at_its_pauses(ffmpeg: Path, tmp_path: Path) -> None:
    # The second pause has background noise.
    tones = ((8.3, 0.5), (0.6, 0.0), (8.0, 0.5), (0.6, 0.02), (5.5, 0.5))
    recording = write_tones(tmp_path / "a.wav", *tones)
    pieces = await split(recording, tmp_path, ffmpeg, max_seconds=10.0)
    assert len(pieces) == 3
    assert pieces[0].offset == 0.0
    assert 8.3 < pieces[1].offset < 8.9
    assert 16.9 < pieces[2].offset < 17.5
    for piece, following in itertools.pairwise(pieces):
        assert end_of([piece]) == pytest.approx(following.offset)
    assert end_of(pieces) == pytest.approx(23.0, abs=0.01)
    for piece in pieces:
        assert flac_duration(piece.path) == pytest.approx(piece.duration, abs=0.002)
    names = {path.name for path in await asyncio.to_thread(lambda: [*tmp_path.iterdir()])}
    assert names == {"a.wav", *(piece.name for piece in pieces)}


async def test_pieces_are_smaller_than_the_size_limit(ffmpeg: Path, tmp_path: Path) -> None:
    # Noise compresses least.
    noise = random.Random(4).randbytes(SAMPLE_RATE * 2 * 15)
    recording = tmp_path / "a.wav"
    with wave.open(str(recording), "wb") as file:
        file.setparams((1, 2, SAMPLE_RATE, 0, "NONE", ""))
        file.writeframes(noise)
    pieces = await split(recording, tmp_path, ffmpeg, max_bytes=200_000)
    assert len(pieces) >= 3
    assert all(piece.path.stat().st_size < 200_000 for piece in pieces)


async def test_silent_piece_is_marked(ffmpeg: Path, tmp_path: Path) -> None:
    recording = write_tones(tmp_path / "a.wav", (5.0, 0.5), (6.0, 0.0), (3.0, 0.5))
    pieces = await split(recording, tmp_path, ffmpeg, max_seconds=4.0)
    assert not pieces[0].silent
    assert not pieces[-1].silent
    assert any(piece.silent for piece in pieces)


async def test_late_start_of_the_sound_is_kept(ffmpeg: Path, tmp_path: Path) -> None:
    recording = tmp_path / "a.mkv"
    video = ("-f", "lavfi", "-i", "testsrc=size=64x48:rate=5:duration=6")
    await asyncio.to_thread(run_ffmpeg, ffmpeg, *video, "-itsoffset", "3", *TONE, recording)
    (piece,) = await split(recording, tmp_path, ffmpeg)
    assert piece.duration == pytest.approx(5.0, abs=0.15)


async def test_gap_in_the_sound_keeps_its_length(ffmpeg: Path, tmp_path: Path) -> None:
    recording = tmp_path / "a.mkv"
    gap = ("-af", "aselect=lt(t\\,2)+gt(t\\,7)", "-c:a", "pcm_s16le")
    source = ("-f", "lavfi", "-i", "sine=duration=9")
    await asyncio.to_thread(run_ffmpeg, ffmpeg, *source, *gap, recording)
    pieces = await split(recording, tmp_path, ffmpeg, max_seconds=3.0)
    assert end_of(pieces) == pytest.approx(9.0, abs=0.15)
    assert any(piece.silent for piece in pieces)


async def test_splitting_is_deterministic(ffmpeg: Path, tmp_path: Path) -> None:
    recording = write_tones(tmp_path / "a.wav", (2.0, 0.5), (0.5, 0.0), (2.0, 0.5))
    results = []
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        pieces = await split(recording, tmp_path / name, ffmpeg, max_seconds=3.0)
        results.append([(each.offset, each.duration, each.path.read_bytes()) for each in pieces])
    assert len(results[0]) == 2
    assert results[0] == results[1]


async def test_video_without_sound_is_refused(ffmpeg: Path, tmp_path: Path) -> None:
    recording = tmp_path / "a.mp4"
    await asyncio.to_thread(run_ffmpeg, ffmpeg, *VIDEO, recording)
    with pytest.raises(Invalid, match="no sound"):
        await split(recording, tmp_path, ffmpeg)


async def test_empty_recording_is_refused(ffmpeg: Path, tmp_path: Path) -> None:
    with pytest.raises(Invalid, match="no sound"):
        await split(write_tones(tmp_path / "a.wav"), tmp_path, ffmpeg)


async def test_damaged_recording_is_refused(ffmpeg: Path, tmp_path: Path) -> None:
    recording = tmp_path / "a.mp4"
    await asyncio.to_thread(run_ffmpeg, ffmpeg, *TONE, recording)
    recording.write_bytes(recording.read_bytes()[:HEAD_BYTES])  # the index was at the end
    with pytest.raises(Invalid, match="damaged"):
        await split(recording, tmp_path, ffmpeg)


async def test_truncated_recording_is_read_up_to_its_end(ffmpeg: Path, tmp_path: Path) -> None:
    recording = tmp_path / "a.mp3"
    await asyncio.to_thread(run_ffmpeg, ffmpeg, *TONE, recording)
    recording.write_bytes(recording.read_bytes()[:-8_000])
    (piece,) = await split(recording, tmp_path, ffmpeg)
    assert 0.5 < (piece.duration or 0.0) < 1.9


@pytest.mark.parametrize("name", ["a.mp4", "a.ts", "a.mp3", "a.webm", "a.wav"])
async def test_playlist_is_not_followed(
    sample_files: Path, ffmpeg: Path, tmp_path: Path, name: str
) -> None:
    secret = write_tones(tmp_path / "secret.wav", (1.0, 0.5))
    recording = tmp_path / name
    recording.write_text(f"#EXTM3U\n#EXTINF:1,\nfile://{secret}\n#EXT-X-ENDLIST\n")
    claimed = format_of(sample_files / name)
    assert claimed is not None
    with pytest.raises(Invalid):
        await split_recording(recording, claimed, tmp_path, ffmpeg=ffmpeg)


async def test_too_long_recording_is_refused(
    ffmpeg: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(media, "MAX_DURATION", 3.0)
    with pytest.raises(Invalid, match="longer than"):
        await split(write_tones(tmp_path / "a.wav", (9.0, 0.1)), tmp_path, ffmpeg)


async def test_small_recording_is_sent_unchanged_without_ffmpeg(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    recording = write_tones(tmp_path / "a.wav", (1.0, 0.5))
    assert await split(recording, tmp_path, None) == [
        Piece(recording, "recording.wav", "audio/wav", 0.0, None)
    ]
    with pytest.raises(Invalid, match="needs ffmpeg"):
        await split(recording, tmp_path, None, max_bytes=10_000)
