"""Speech to text, over real sockets: successes, failures, and sentences made of words."""

import asyncio
import contextlib
import gzip
import math
import tempfile
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from structlog.testing import capture_logs

from domains.kernel.core.problems import (
    DependencyUnavailable,
    Forbidden,
    Invalid,
    Problem,
    Unavailable,
)
from domains.kernel.core.settings import SettingError, Settings
from domains.kernel.models.speech import (
    PieceTranscript,
    Sentence,
    Token,
    Transcriber,
    Transcript,
    parse_response,
    to_sentences,
)
from domains.kernel.untrusted.media import detect_format
from tests.fakes.fake_endpoint import FakeResponse, error
from tests.fakes.recordings import installed_ffmpeg, write_tones
from tests.fakes.speech_server import BEHAVIOURS, SAID, SpeechRequest, speech_server
from tests.stack import eventually

KEY = "sk-not-to-be-shown"


def settings(url: str, **more: Any) -> Settings:
    more = {"database_url": "", "redis_url": "", "blob_url": "", "speech_key": KEY} | more
    return Settings(speech_url=url, **more)


@pytest.fixture
def ffmpeg() -> Path:
    return installed_ffmpeg()


@pytest.fixture
def recording(tmp_path: Path) -> Path:
    return write_tones(tmp_path / "a.wav", (6.0, 0.5))


@pytest.fixture(autouse=True)
def _no_ffmpeg(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Hide the system's ffmpeg. Tests that need one pass it."""
    monkeypatch.setenv("PATH", str(tmp_path))


async def transcribe(
    url: str, recording: Path, *, ffmpeg: Path | None = None, max_piece: float = 600.0, **more: Any
) -> Transcript:
    async with Transcriber.open(
        settings(url, **more), ffmpeg=ffmpeg, max_piece=max_piece
    ) as transcriber:
        assert transcriber is not None
        media = detect_format(await asyncio.to_thread(recording.read_bytes))
        assert media is not None
        folder = Path(tempfile.mkdtemp(dir=recording.parent))
        return await transcriber.transcribe(recording, media, folder)


async def test_no_transcriber_without_a_url() -> None:
    async with Transcriber.open(settings("")) as transcriber:
        assert transcriber is None


@pytest.mark.parametrize(("url", "key"), [("http://h/v1", "a\nb"), ("http://h:x/", "k")])
async def test_invalid_url_or_key_is_a_setting_error(url: str, key: str) -> None:
    with pytest.raises(SettingError) as raised:
        async with Transcriber.open(settings(url, speech_key=key)):
            pass
    assert key not in str(raised.value) or len(key) == 1


async def test_request_follows_the_protocol(recording: Path) -> None:
    async with speech_server("words") as server:
        await transcribe(server.url + "/", recording, speech_model="whisper-9")
    (request,) = server.requests
    assert request.path == "/v1/audio/transcriptions"
    assert request.headers["authorization"] == f"Bearer {KEY}"
    assert request.headers["accept"] == "*/*"
    assert request.headers["content-length"].isdigit()
    assert request.field("model") == ["whisper-9"]
    assert request.field("response_format") == ["verbose_json"]
    assert request.field("timestamp_granularities[]") == ["word", "segment"]
    assert (request.file_name, request.file_type) == ("recording.wav", "audio/wav")
    assert request.file == await asyncio.to_thread(recording.read_bytes)


async def test_without_a_key(recording: Path) -> None:
    async with speech_server("words") as server:
        await transcribe(f"{server.url}?api-version=1", recording, speech_key="")
    assert "authorization" not in server.requests[0].headers
    assert server.requests[0].path == "/v1/audio/transcriptions?api-version=1"


@pytest.mark.parametrize("behaviour", ["words", "segments", "no-words"])
async def test_times_of_the_response(behaviour: str, recording: Path) -> None:
    async with speech_server(behaviour) as server:
        transcript = await transcribe(server.url, recording)
    assert [each.text for each in transcript.sentences] == list(SAID)
    starts = [each.start for each in transcript.sentences]
    assert starts == pytest.approx([0.0, 2.0, 4.0])
    assert transcript.sentences[-1].end == pytest.approx(5.8)
    assert (transcript.language, transcript.duration) == ("english", 6.0)


@pytest.mark.parametrize("behaviour", ["plain", "text", "json-only"])
async def test_text_without_times_is_distributed_over_the_recording(
    behaviour: str, recording: Path, ffmpeg: Path
) -> None:
    async with speech_server(behaviour) as server:
        transcript = await transcribe(server.url, recording, ffmpeg=ffmpeg)
    assert [each.text for each in transcript.sentences] == list(SAID)
    assert transcript.sentences[0].start == 0.0
    assert transcript.sentences[-1].end == pytest.approx(6.0)
    lengths = [each.end - each.start for each in transcript.sentences]
    assert lengths == pytest.approx(
        [6.0 * len(text.replace(" ", "")) / _character_count(SAID) for text in SAID], abs=0.01
    )
    assert transcript.duration == 6.0


def _character_count(texts: Sequence[str]) -> int:
    return sum(len(each.replace(" ", "")) for each in texts)


async def test_speakers(recording: Path) -> None:
    async with speech_server("speakers") as server:
        transcript = await transcribe(
            server.url, recording, speech_model="gpt-4o-transcribe-diarize"
        )
    assert [each.speaker for each in transcript.sentences] == ["A", "B", "A"]
    assert server.requests[0].field("response_format") == ["diarized_json"]


async def test_silence_has_no_sentences(recording: Path) -> None:
    async with speech_server("silence") as server:
        transcript = await transcribe(server.url, recording)
    assert (transcript.sentences, transcript.language) == ([], "en")


async def test_silent_recording_is_not_sent(tmp_path: Path, ffmpeg: Path) -> None:
    silence = write_tones(tmp_path / "silence.wav", (3.0, 0.0))
    async with speech_server("words") as server:
        transcript = await transcribe(server.url, silence, ffmpeg=ffmpeg)
    assert transcript == Transcript([], None, 3.0)
    assert server.requests == []


RETRYABLE = {
    "429": "rate limit or quota",
    "500": "failed",
    "503": "failed",
    "nonsense": "not a transcript",
    "hang": "too long",
    "late": "too long",
    "drip": "too long",
}
FINAL = {
    "400": "rejected the recording",
    "401": "rejected the API key",
    "403": "rejected the API key",
    "404": "no such URL or model",
    "413": "too large",
    "moved": r"\(HTTP 302\)",
}


@pytest.mark.parametrize("behaviour", [*RETRYABLE, *FINAL])
async def test_failure(behaviour: str, recording: Path) -> None:
    limit = 0.2 if RETRYABLE.get(behaviour) == "too long" else 20.0
    async with speech_server(behaviour) as server:
        with (
            capture_logs() as logged,
            pytest.raises(Problem, match=(RETRYABLE | FINAL)[behaviour]) as raised,
        ):
            await transcribe(server.url, recording, speech_time_limit=limit)
        assert len(server.requests) == 1
    assert isinstance(raised.value, Unavailable) == (behaviour in RETRYABLE)
    if isinstance(raised.value, DependencyUnavailable):
        # An error or a timeout may be due to the recording, a refusal is not.
        assert raised.value.suspect == (behaviour not in ("429", "503"))
    else:
        assert behaviour in ("nonsense", *FINAL)
    assert isinstance(raised.value, Forbidden) == (behaviour in ("401", "403"))
    assert len(logged) == 1
    text = f"{raised.value} {logged}"
    assert not any(each in text for each in (KEY, "127.0.0.1", "sk-secret", "srv"))
    assert raised.value.__suppress_context__ or raised.value.__context__ is None


async def test_no_server(recording: Path) -> None:
    async with speech_server("words") as server:
        pass
    with capture_logs() as logged, pytest.raises(DependencyUnavailable) as raised:
        await transcribe(server.url, recording)
    assert "cannot be reached" in raised.value.message
    # No recording was sent.
    assert not raised.value.suspect
    assert logged == [
        {
            "event": "dependency_unavailable",
            "dependency": "speech",
            "reason": "ConnectError",
            "log_level": "error",
        }
    ]


@pytest.mark.parametrize("behaviour", ["words", "json-only"])
async def test_during_an_outage_nothing_is_sent_but_for_probes(
    recording: Path, behaviour: str
) -> None:
    media = detect_format(await asyncio.to_thread(recording.read_bytes))
    assert media is not None
    async with speech_server("503") as server, Transcriber.open(settings(server.url)) as speech:
        assert speech is not None
        for _ in range(50):
            with pytest.raises(DependencyUnavailable) as refused:
                await speech.transcribe(recording, media, recording.parent)
            assert not refused.value.suspect
        # The first request, and a probe per second.
        assert len(server.requests) < 10
        server.behaviour = BEHAVIOURS[behaviour]

        async def transcribed() -> bool:
            with contextlib.suppress(DependencyUnavailable):
                transcript = await speech.transcribe(recording, media, recording.parent)
                return bool(transcript.sentences)
            return False

        await eventually(transcribed, 10)
        assert not speech.breaker.is_open


async def test_a_service_that_hangs_is_probed_with_two_recordings(recording: Path) -> None:
    media = detect_format(await asyncio.to_thread(recording.read_bytes))
    assert media is not None
    async with speech_server("hang") as server, Transcriber.open(settings(server.url)) as speech:
        assert speech is not None
        speech.breaker.failed("timeout")

        async def probe() -> Transcript:
            assert speech.breaker.outage is not None
            speech.breaker.outage.next_probe = 0.0
            return await speech.transcribe(recording, media, recording.parent)

        async def received(count: int) -> bool:
            return len(server.requests) == count

        hanging = []
        for count in (1, 2):
            hanging.append(asyncio.create_task(probe()))
            await eventually(partial(received, count))
        for _ in range(3):
            with pytest.raises(DependencyUnavailable):
                await probe()
        hanging[0].cancel()
        await asyncio.gather(hanging[0], return_exceptions=True)
        hanging.append(asyncio.create_task(probe()))
        await eventually(partial(received, 3))
        for task in hanging:
            task.cancel()
        await asyncio.gather(*hanging, return_exceptions=True)


async def test_cancellation(recording: Path) -> None:
    async with speech_server("hang") as server:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.2):
                await transcribe(server.url, recording)


@pytest.mark.parametrize("content_type", ["application/json", "text/html"])
@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{}",
        b"[]",
        b"null",
        b'{"text": 5}',
        b'{"text": "a", "words": {}}',
        b'{"text": "a", "words": [{"word": "a", "start": "soon", "end": 1}]}',
        b'{"text": "a", "segments": [{"text": "a", "start": 1e999, "end": 1}]}',
        b'{"text": "a"',
        b'{"text": "\xff"}',
        b'{"text": "\\ud800"}',
        b'{"error": {"message": "no"}}',
        b'{"text": "a", "more": ' + b"[" * 100_000,
        b"<html>",
    ],
)
async def test_invalid_response_is_retryable(
    body: bytes, content_type: str, recording: Path
) -> None:
    response = FakeResponse(body, content_type=content_type)
    async with speech_server(lambda _: response) as server:
        with pytest.raises(Unavailable, match="not a transcript"):
            await transcribe(server.url, recording)


async def test_compressed_response_is_not_decompressed(recording: Path) -> None:
    packed = FakeResponse(gzip.compress(b'{"text": "a"}'), headers={"Content-Encoding": "gzip"})
    async with speech_server(lambda _: packed) as server:
        with pytest.raises(Unavailable, match="not a transcript"):
            await transcribe(server.url, recording)
    assert server.requests[0].headers["accept-encoding"] == "identity"


async def test_too_large_response_is_not_read(
    recording: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("domains.kernel.models.speech._MAX_RESPONSE_BYTES", 1_000_000)
    body = b'{"text": "' + b"a" * 1_000_000 + b'"}'
    async with speech_server(lambda _: FakeResponse(body)) as server:
        with pytest.raises(Unavailable, match="not a transcript"):
            await transcribe(server.url, recording)


async def test_rejected_parameter_is_left_out_for_all_pieces(tmp_path: Path, ffmpeg: Path) -> None:
    long = write_tones(tmp_path / "long.wav", (7.0, 0.5))
    async with speech_server("json-only") as server:
        await transcribe(server.url, long, ffmpeg=ffmpeg, max_piece=6.0)
    formats = [each.field("response_format") for each in server.requests]
    assert formats == [["verbose_json"], ["json"], ["json"]]


async def test_number_of_fallbacks_is_bounded(recording: Path) -> None:
    def reject(_: SpeechRequest) -> FakeResponse:
        return error(400, "timestamp_granularities and response_format are wrong")

    async with speech_server(reject) as server:
        with pytest.raises(Invalid, match="HTTP 400"):
            await transcribe(server.url, recording)
        assert len(server.requests) == 3


async def test_pieces_are_merged_into_one_transcript(tmp_path: Path, ffmpeg: Path) -> None:
    long = write_tones(
        tmp_path / "long.wav", (5.5, 0.5), (0.4, 0.0), (5.0, 0.5), (0.4, 0.0), (3.0, 0.5)
    )
    responses = iter(
        [
            [("It begins here.", 1.0, 2.0), ("Then we had to", 4.0, 5.4)],
            [("wait for weeks.", 0.2, 1.0), ("Thank you.", 4.0, 5.2)],
            [("Thank you.", 0.1, 1.0), ("Goodbye.", 2.0, 999.0)],
        ]
    )

    def respond(_: SpeechRequest) -> FakeResponse:
        segments = [
            {"text": text, "start": start, "end": end} for text, start, end in next(responses)
        ]
        body = {"text": "", "language": "de", "segments": segments}
        return FakeResponse(msgspec.json.encode(body))

    async with speech_server(respond) as server:
        transcript = await transcribe(server.url, long, ffmpeg=ffmpeg, max_piece=6.0)
    assert [each.file_type for each in server.requests] == ["audio/flac"] * 3
    assert [each.file_name for each in server.requests] == [f"piece-00{n}.flac" for n in range(3)]
    formats = [detect_format(request.file) for request in server.requests]
    assert [found and found.container for found in formats] == ["flac"] * 3
    texts = [each.text for each in transcript.sentences]
    assert texts == ["It begins here.", "Then we had to wait for weeks.", "Thank you.", "Goodbye."]
    starts = [each.start for each in transcript.sentences]
    assert starts == pytest.approx([1.0, 4.0, 5.7 + 4.0, 11.1 + 2.0], abs=0.2)
    assert transcript.sentences[-1].end == transcript.duration == pytest.approx(14.3)


async def test_speakers_of_later_pieces_get_the_number_of_the_piece(
    tmp_path: Path, ffmpeg: Path
) -> None:
    long = write_tones(tmp_path / "long.wav", (7.0, 0.5))
    async with speech_server("speakers") as server:
        transcript = await transcribe(server.url, long, ffmpeg=ffmpeg, max_piece=6.0)
    names = [each.speaker for each in transcript.sentences]
    assert names == ["A", "B", "A", "A (part 2)", "B (part 2)", "A (part 2)"]


# ---- parsing a response


def parsed(length: float | None = 10.0, /, **body: Any) -> PieceTranscript:
    return parse_response(msgspec.json.encode(body), "application/json", length)


def sentences(**body: Any) -> list[tuple[str, float, float]]:
    return [
        (each.text, round(each.start, 3), round(each.end, 3))
        for each in to_sentences(parsed(**body).tokens)
    ]


def words(text: str, *, start: float = 0.0, each: float = 0.5) -> list[dict[str, Any]]:
    return [
        {"word": word, "start": start + each * at, "end": start + each * (at + 1)}
        for at, word in enumerate(text.split())
    ]


def test_sentences_end_at_punctuation_and_pauses() -> None:
    spoken = [*words(" Yes. No,  really"), *words("And then", start=4.0)]
    assert sentences(words=spoken) == [
        ("Yes.", 0.0, 0.5),
        ("No, really", 0.5, 1.5),
        ("And then", 4.0, 5.0),
    ]


def test_words_get_the_punctuation_of_the_text() -> None:
    text = "“Well,” said Dr. Who: it is 3.5 times — or more! Isn't it?"
    spoken = words("Well said Dr Who it is 3 5 times or more Isnt it")
    assert [each[0] for each in sentences(text=text, words=spoken)] == [
        "“Well,” said Dr. Who: it is 3.5 times — or more!",
        "Isn't it?",
    ]
    assert sentences(text=text, words=spoken)[1][1:] == (5.5, 6.5)


def test_words_that_differ_from_the_text_replace_it() -> None:
    assert sentences(text="It costs $5.", words=words("it costs five")) == [
        ("it costs five", 0.0, 1.5)
    ]


def test_words_inside_segments_and_words_without_times() -> None:
    segments = [
        {"text": " It works.", "start": 0, "end": 4, "words": words("It works", start=1.0)},
        {"text": "Well.", "start": 4, "end": 5, "words": [{"word": "Well."}]},
    ]
    assert sentences(segments=segments) == [("It works.", 1.0, 2.0), ("Well.", 2.0, 2.0)]


def test_sentence_across_segments() -> None:
    segments = [
        {"text": "We need an", "start": 0, "end": 2},
        {"text": "export. It is", "start": 2, "end": 4},
        {"text": "urgent.", "start": 4, "end": 5},
    ]
    assert [each[0] for each in sentences(segments=segments)] == [
        "We need an export.",
        "It is urgent.",
    ]


def test_scripts_without_spaces() -> None:
    segments = [
        {"text": "エクスポートが必要です。急いで", "start": 0, "end": 4},
        {"text": "います。", "start": 4, "end": 5},
    ]
    assert [each[0] for each in sentences(segments=segments)] == [
        "エクスポートが必要です。",
        "急いでいます。",
    ]
    assert [each[0] for each in sentences(text="你好。谢谢！", words=words("你 好 谢 谢"))] == [
        "你好。",
        "谢谢！",
    ]


def test_text_is_sanitized() -> None:
    assert sentences(text=" A\x00 b\u0085\n c.\t") == [("A b c.", 0.0, 10.0)]
    assert sentences(text="\x00 \n") == []


def test_times_are_clamped_to_the_recording() -> None:
    segments = [
        {"text": "One.", "start": -5, "end": 3},
        {"text": "Two.", "start": 1, "end": 2},
        {"text": "Three.", "start": 9, "end": 1e300},
    ]
    assert sentences(segments=segments) == [
        ("One.", 0.0, 3.0),
        ("Two.", 1.0, 3.0),
        ("Three.", 9.0, 10.0),
    ]


@pytest.mark.parametrize(
    ("answer", "duration"),
    [
        ({"text": "a b", "duration": 7}, 7.0),
        ({"text": "a b", "duration": "7.5"}, 7.5),
        ({"text": "a", "duration": "nan", "words": words("a")}, 0.5),
        ({"text": "fifteen letters"}, 1.0),
    ],
)
def test_length_of_the_response_if_unknown(answer: dict[str, Any], duration: float) -> None:
    assert parsed(None, **answer).duration == duration


def test_long_sentences_are_split() -> None:
    found = to_sentences([Token("ah", at * 0.1, at * 0.1 + 0.1) for at in range(1000)])
    assert all(len(each.text.split()) <= 100 for each in found)


texts = st.text(max_size=12) | st.sampled_from(["Yes.", "no,", "e.g.", "Why?", "。", "“So”"])
times = st.none() | st.floats(allow_nan=False, allow_infinity=False) | st.floats(-1, 30)
speakers = st.none() | st.sampled_from(["A", "B"]) | st.integers(0, 2)
spoken = st.lists(
    st.fixed_dictionaries({"word": texts, "start": times, "end": times, "speaker": speakers}),
    max_size=30,
)
segmented = st.lists(
    st.fixed_dictionaries({"text": texts, "start": times, "end": times, "speaker": speakers}),
    max_size=8,
)
lengths = st.none() | st.floats(0, 100)


@given(spoken, lengths)
def test_no_word_is_lost_from_words(answer: list[dict[str, Any]], length: float) -> None:
    found = parsed(length, words=answer)
    _assert_ordered(to_sentences(found.tokens), found.duration)
    assert _joined(each.text for each in to_sentences(found.tokens)) == _joined(
        each["word"] for each in answer
    )


@given(segmented, spoken, lengths)
def test_no_word_is_lost_from_segments(
    answer: list[dict[str, Any]], timed: list[dict[str, Any]], length: float
) -> None:
    found = parsed(length, segments=answer, words=timed)
    _assert_ordered(to_sentences(found.tokens), found.duration)
    kept = answer if _joined(each["text"] for each in answer) else timed
    assert _joined(each.text for each in to_sentences(found.tokens)) == _joined(
        each.get("text", each.get("word")) for each in kept
    )


@given(st.text(), lengths)
def test_no_word_is_lost_from_text(text: str, length: float) -> None:
    found = parsed(length, text=text)
    _assert_ordered(to_sentences(found.tokens), found.duration)
    assert _joined(each.text for each in to_sentences(found.tokens)) == _joined([text])


def _joined(texts: Any) -> str:
    """The texts joined, without whitespace and control characters."""
    return "".join(each for text in texts for each in text if not _is_ignored(each))


def _is_ignored(character: str) -> bool:
    return character.isspace() or ord(character) < 32 or 127 <= ord(character) < 160


def _assert_ordered(found: list[Sentence], duration: float) -> None:
    assert 0.0 <= duration < math.inf
    times = [(each.start, each.end) for each in found]
    assert times == sorted(times)
    assert [end for _, end in times] == sorted(end for _, end in times)
    assert all(0.0 <= start <= end <= duration for start, end in times)
    assert all(each.text == " ".join(each.text.split()) != "" for each in found)


def test_every_behaviour_is_tested() -> None:
    good = {"words", "segments", "no-words", "plain", "text", "json-only", "speakers", "silence"}
    assert good | {*RETRYABLE, *FINAL} == {*BEHAVIOURS}
