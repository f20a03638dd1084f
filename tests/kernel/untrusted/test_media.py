"""Recordings: known by their content, cut at their quiet moments, read without trust."""

import asyncio
import importlib
import itertools
import math
import platform
import random
import subprocess
import wave
from array import array
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domains.kernel.core.problems import Invalid
from domains.kernel.untrusted import media
from domains.kernel.untrusted.media import HEAD, Piece, kind_of, pieces

RATE = 16_000


def installed_ffmpeg() -> Path:
    """The program that comes with the tests; a skip only on machines that it is not made for."""
    made = platform.machine() == "x86_64"
    module = (importlib.import_module if made else pytest.importorskip)("imageio_ffmpeg")
    return Path(module.get_ffmpeg_exe())


@pytest.fixture(scope="session")
def ffmpeg() -> Path:
    return installed_ffmpeg()


def sound(path: Path, *parts: tuple[float, float], rate: int = RATE) -> Path:
    """A WAV file of tones: (seconds, loudness from 0 to 1) each."""
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(rate)
        for seconds, loudness in parts:
            second = array(
                "h", (round(32_000 * loudness * math.sin(at * 0.2)) for at in range(rate))
            ).tobytes()
            frames = round(seconds * rate) * 2
            file.writeframes((second * math.ceil(seconds))[:frames])
    return path


def make(ffmpeg: Path, *arguments: str | Path) -> None:
    command = [str(ffmpeg), "-nostdin", "-y", "-loglevel", "error", *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


TONE = ("-f", "lavfi", "-i", "sine=frequency=300:duration=2")
FILM = ("-f", "lavfi", "-i", "testsrc=size=64x48:rate=5:duration=2")

# The file's name, what `kind_of` calls it, and how it is made.
FORMS: list[tuple[str, str, tuple[str, ...]]] = [
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


@pytest.fixture(scope="session")
def forms(ffmpeg: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a file of each form."""
    folder = tmp_path_factory.mktemp("forms")
    make(ffmpeg, *TONE, *(each for name, _, how in FORMS for each in (*how, str(folder / name))))
    return folder


@pytest.mark.parametrize(("name", "container"), [each[:2] for each in FORMS])
async def test_a_form_is_known_and_read(
    forms: Path, ffmpeg: Path, tmp_path: Path, name: str, container: str
) -> None:
    kind = kind_of((forms / name).read_bytes()[:HEAD])
    assert kind is not None
    assert kind.container == container
    (piece,) = await pieces(forms / name, kind, tmp_path, ffmpeg=ffmpeg)
    assert piece.duration == pytest.approx(2.0, abs=0.15)
    assert not piece.silent
    assert kind_of(piece.path.read_bytes()[:HEAD]) == media._FLAC


def test_films_and_sounds_are_told_apart(ffmpeg: Path, tmp_path: Path) -> None:
    make(ffmpeg, *FILM, *TONE, "-c:v", "libtheora", "-c:a", "libvorbis", tmp_path / "a.ogv")
    make(ffmpeg, *FILM, *TONE, tmp_path / "a.mp4")
    found = {path.name: kind_of(path.read_bytes()[:HEAD]) for path in tmp_path.iterdir()}
    assert {name: kind and (kind.content_type, kind.video) for name, kind in found.items()} == {
        "a.ogv": ("video/ogg", True),
        "a.mp4": ("video/mp4", True),
    }


@pytest.mark.parametrize(
    "head",
    [
        b"",
        b"\0" * HEAD,
        b"\xff" * HEAD,
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
        b"\xff\xfb\x90\x64" + b"\0" * 3000,  # one frame's header, and nothing after it
    ],
)
def test_what_is_no_recording_is_none(head: bytes) -> None:
    assert kind_of(head) is None


def test_brands_say_what_a_box_file_is() -> None:
    def named(main: bytes, *others: bytes) -> str | None:
        size = (16 + 4 * len(others)).to_bytes(4, "big")
        kind = kind_of(size + b"ftyp" + main + b"\0\0\2\0" + b"".join(others))
        return None if kind is None else kind.container

    assert named(b"M4A ", b"isom") == "m4a"
    assert named(b"isom", b"M4A ") == "mp4"
    assert named(b"XAVC", b"mp42") == "mp4"
    assert named(b"qt  ") == "mov"
    assert named(b"XXXX", b"YYYY") is None


def test_a_tag_may_stand_before_other_formats() -> None:
    tag = b"ID3\4\0\0\0\0\0\5" + b"\0" * 5
    frame = b"\xff\xf1\x50\x80\x01\x1f\xfc\0"  # of eight bytes
    kinds = [kind_of(tag + rest) for rest in (b"fLaC", frame * 3, b"\0")]
    assert [kind and kind.container for kind in kinds] == ["flac", "aac", "mp3"]


@given(st.binary(max_size=64), st.sampled_from([b"", b"ID3", b"OggS", b"\0\0\0\x18ftyp", b"G"]))
def test_any_bytes_have_an_answer(rest: bytes, start: bytes) -> None:
    kind_of(start + rest)


@given(
    st.lists(st.floats(-90, 0) | st.just(-math.inf), max_size=400),
    st.floats(0.1, 100),
    st.floats(1, 50),
)
def test_cuts_leave_no_piece_too_long(levels: list[float], duration: float, longest: float) -> None:
    edges = [0.0, *media._cuts(levels, duration, longest), duration]
    lengths = [after - before for before, after in itertools.pairwise(edges)]
    assert all(0 < length <= longest + 1e-9 for length in lengths) or len(lengths) == 1


async def test_a_long_recording_is_cut_at_its_silences(ffmpeg: Path, tmp_path: Path) -> None:
    # The quiet of the second pause is not silence: a fan goes on.
    parts = ((8.3, 0.5), (0.6, 0.0), (8.0, 0.5), (0.6, 0.02), (5.5, 0.5))
    recording = sound(tmp_path / "a.wav", *parts)
    made = await _pieces(recording, tmp_path, ffmpeg, longest=10.0)
    assert made[0].offset == 0.0
    assert 8.3 < made[1].offset < 8.9
    assert 16.9 < made[2].offset < 17.5
    assert len(made) == 3
    ends = [each.offset + (each.duration or 0.0) for each in made]
    assert ends[:-1] == pytest.approx([each.offset for each in made[1:]])
    assert ends[-1] == pytest.approx(23.0, abs=0.01)
    assert [media._duration(each.path) for each in made] == pytest.approx(
        [each.duration for each in made], abs=0.002
    )
    left = {path.name for path in await asyncio.to_thread(lambda: [*tmp_path.iterdir()])}
    assert left == {"a.wav", *(each.name for each in made)}


async def test_pieces_keep_below_the_size(ffmpeg: Path, tmp_path: Path) -> None:
    # Noise is what compresses least.
    noise = random.Random(4).randbytes(RATE * 2 * 15)
    recording = tmp_path / "a.wav"
    with wave.open(str(recording), "wb") as file:
        file.setparams((1, 2, RATE, 0, "NONE", ""))
        file.writeframes(noise)
    made = await _pieces(recording, tmp_path, ffmpeg, largest=200_000)
    assert len(made) >= 3
    assert all(each.path.stat().st_size < 200_000 for each in made)


async def test_a_silent_piece_is_known(ffmpeg: Path, tmp_path: Path) -> None:
    recording = sound(tmp_path / "a.wav", (5.0, 0.5), (6.0, 0.0), (3.0, 0.5))
    made = await _pieces(recording, tmp_path, ffmpeg, longest=4.0)
    assert not made[0].silent
    assert not made[-1].silent
    assert any(each.silent for each in made)


async def test_sound_that_begins_late_keeps_its_place(ffmpeg: Path, tmp_path: Path) -> None:
    recording = tmp_path / "a.mkv"
    film = ("-f", "lavfi", "-i", "testsrc=size=64x48:rate=5:duration=6")
    await asyncio.to_thread(make, ffmpeg, *film, "-itsoffset", "3", *TONE, recording)
    (piece,) = await _pieces(recording, tmp_path, ffmpeg)
    assert piece.duration == pytest.approx(5.0, abs=0.15)


async def test_a_hole_in_the_sound_keeps_its_length(ffmpeg: Path, tmp_path: Path) -> None:
    recording = tmp_path / "a.mkv"
    hole = ("-af", "aselect=lt(t\\,2)+gt(t\\,7)", "-c:a", "pcm_s16le")
    source = ("-f", "lavfi", "-i", "sine=duration=9")
    await asyncio.to_thread(make, ffmpeg, *source, *hole, recording)
    made = await _pieces(recording, tmp_path, ffmpeg, longest=3.0)
    assert made[-1].offset + (made[-1].duration or 0.0) == pytest.approx(9.0, abs=0.15)
    assert any(each.silent for each in made)


async def test_the_same_recording_makes_the_same_pieces(ffmpeg: Path, tmp_path: Path) -> None:
    recording = sound(tmp_path / "a.wav", (2.0, 0.5), (0.5, 0.0), (2.0, 0.5))
    made = []
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        cut = await _pieces(recording, tmp_path / name, ffmpeg, longest=3.0)
        made.append([(each.offset, each.duration, each.path.read_bytes()) for each in cut])
    assert len(made[0]) == 2
    assert made[0] == made[1]


async def test_a_film_without_sound_is_refused(ffmpeg: Path, tmp_path: Path) -> None:
    recording = tmp_path / "a.mp4"
    await asyncio.to_thread(make, ffmpeg, *FILM, recording)
    with pytest.raises(Invalid, match="no sound"):
        await _pieces(recording, tmp_path, ffmpeg)


async def test_a_recording_of_nothing_is_refused(ffmpeg: Path, tmp_path: Path) -> None:
    with pytest.raises(Invalid, match="no sound"):
        await _pieces(sound(tmp_path / "a.wav"), tmp_path, ffmpeg)


async def test_a_damaged_file_is_refused(ffmpeg: Path, tmp_path: Path) -> None:
    recording = tmp_path / "a.mp4"
    await asyncio.to_thread(make, ffmpeg, *TONE, recording)
    recording.write_bytes(recording.read_bytes()[:HEAD])  # the index was at the end
    with pytest.raises(Invalid, match="damaged"):
        await _pieces(recording, tmp_path, ffmpeg)


async def test_a_cut_off_recording_is_read_as_far_as_it_goes(ffmpeg: Path, tmp_path: Path) -> None:
    recording = tmp_path / "a.mp3"
    await asyncio.to_thread(make, ffmpeg, *TONE, recording)
    recording.write_bytes(recording.read_bytes()[:-8_000])
    (piece,) = await _pieces(recording, tmp_path, ffmpeg)
    assert 0.5 < (piece.duration or 0.0) < 1.9


async def test_a_playlist_is_not_followed(ffmpeg: Path, tmp_path: Path) -> None:
    secret = sound(tmp_path / "secret.wav", (1.0, 0.5))
    recording = tmp_path / "a.mp4"
    recording.write_text(f"#EXTM3U\n#EXTINF:1,\nfile://{secret}\n#EXT-X-ENDLIST\n")
    for kind in {media._MP4, media._TS, media._MP3, media._WEBM, media._WAV}:
        with pytest.raises(Invalid):
            await pieces(recording, kind, tmp_path, ffmpeg=ffmpeg)


async def test_more_than_the_longest_is_refused(
    ffmpeg: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(media, "LONGEST", 3.0)
    with pytest.raises(Invalid, match="longer than"):
        await _pieces(sound(tmp_path / "a.wav", (9.0, 0.1)), tmp_path, ffmpeg)


async def test_without_ffmpeg_a_small_recording_goes_as_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    recording = sound(tmp_path / "a.wav", (1.0, 0.5))
    assert await _pieces(recording, tmp_path, None) == [
        Piece(recording, "recording.wav", "audio/wav", 0.0, None)
    ]
    with pytest.raises(Invalid, match="needs ffmpeg"):
        await _pieces(recording, tmp_path, None, largest=10_000)


async def _pieces(
    recording: Path,
    folder: Path,
    ffmpeg: Path | None,
    longest: float = 600.0,
    largest: int = 24_000_000,
) -> list[Piece]:
    kind = kind_of((await asyncio.to_thread(recording.read_bytes))[:HEAD])
    assert kind is not None
    return await pieces(recording, kind, folder, longest=longest, largest=largest, ffmpeg=ffmpeg)
