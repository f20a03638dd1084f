"""Speech to text: over real sockets, on good days and bad, and words that become sentences."""

import asyncio
import gzip
import math
import ssl
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import settings as given_settings
from hypothesis import strategies as st
from structlog.testing import capture_logs

from domains.kernel.core.problems import Forbidden, Invalid, Problem, Unavailable
from domains.kernel.core.settings import SettingError, Settings
from domains.kernel.models.speech import (
    Heard,
    Sentence,
    Speech,
    Token,
    Transcript,
    sentences,
    understood,
)
from domains.kernel.untrusted import media
from domains.kernel.untrusted.media import kind_of
from tests.fakes.speech_server import BEHAVIOURS, SAID, Answered, Asked, refusal, speech_server
from tests.kernel.untrusted.test_media import installed_ffmpeg, sound

KEY = "sk-not-to-be-shown"


def settings(url: str, **more: Any) -> Settings:
    more = {"database_url": "", "redis_url": "", "blob_url": "", "speech_key": KEY} | more
    return Settings(speech_url=url, **more)


@pytest.fixture
def ffmpeg() -> Path:
    return installed_ffmpeg()


@pytest.fixture
def recording(tmp_path: Path) -> Path:
    return sound(tmp_path / "a.wav", (6.0, 0.5))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "folder"
    made.mkdir()
    return made


@pytest.fixture(autouse=True)
def _no_certificates(monkeypatch: pytest.MonkeyPatch) -> None:
    """Those of the system take long to load, and no test needs them."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    monkeypatch.setattr(ssl, "create_default_context", lambda **_: context)


@pytest.fixture(autouse=True)
def _no_ffmpeg(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Unless a test gives one."""
    monkeypatch.setenv("PATH", str(tmp_path))


async def transcript(
    url: str,
    recording: Path,
    folder: Path,
    *,
    ffmpeg: Path | None = None,
    longest: float = 600.0,
    **more: Any,
) -> Transcript:
    async with Speech.open(settings(url, **more), ffmpeg=ffmpeg, longest=longest) as speech:
        assert speech is not None
        return await speech.transcribe(recording, media._WAV, folder)


async def test_without_a_url_there_is_no_service() -> None:
    async with Speech.open(settings("")) as speech:
        assert speech is None


@pytest.mark.parametrize(("url", "key"), [("http://h/v1", "a\nb"), ("http://h:x/", "k")])
async def test_what_cannot_be_sent_is_refused_at_once(url: str, key: str) -> None:
    with pytest.raises(SettingError) as raised:
        async with Speech.open(settings(url, speech_key=key)):
            pass
    assert key not in str(raised.value) or len(key) == 1


async def test_the_request_is_what_the_interface_says(recording: Path, folder: Path) -> None:
    async with speech_server("words") as service:
        await transcript(service.url + "/", recording, folder, speech_model="whisper-9")
    (asked,) = service.asked
    assert asked.path == "/v1/audio/transcriptions"
    assert asked.headers["authorization"] == f"Bearer {KEY}"
    assert asked.headers["content-length"].isdigit()
    assert asked.field("model") == ["whisper-9"]
    assert asked.field("response_format") == ["verbose_json"]
    assert asked.field("timestamp_granularities[]") == ["word", "segment"]
    assert (asked.file_name, asked.file_type) == ("recording.wav", "audio/wav")
    assert asked.file == await asyncio.to_thread(recording.read_bytes)


async def test_without_a_key_none_is_sent(recording: Path, folder: Path) -> None:
    async with speech_server("words") as service:
        await transcript(f"{service.url}?api-version=1", recording, folder, speech_key="")
    assert "authorization" not in service.asked[0].headers
    assert service.asked[0].path == "/v1/audio/transcriptions?api-version=1"


@pytest.mark.parametrize("behaviour", ["words", "segments", "no-words"])
async def test_times_are_the_services(behaviour: str, recording: Path, folder: Path) -> None:
    async with speech_server(behaviour) as service:
        said = await transcript(service.url, recording, folder)
    assert [each.text for each in said.sentences] == list(SAID)
    starts = [each.start for each in said.sentences]
    assert starts == pytest.approx([0.0, 2.0, 4.0])
    assert said.sentences[-1].end == pytest.approx(5.8)
    assert (said.language, said.duration) == ("english", 6.0)


@pytest.mark.parametrize("behaviour", ["plain", "text", "json-only"])
async def test_text_alone_is_spread_over_the_recording(
    behaviour: str, recording: Path, folder: Path, ffmpeg: Path
) -> None:
    async with speech_server(behaviour) as service:
        said = await transcript(service.url, recording, folder, ffmpeg=ffmpeg)
    assert [each.text for each in said.sentences] == list(SAID)
    assert said.sentences[0].start == 0.0
    assert said.sentences[-1].end == pytest.approx(6.0)
    lengths = [each.end - each.start for each in said.sentences]
    assert lengths == pytest.approx(
        [6.0 * len(text.replace(" ", "")) / _letters(SAID) for text in SAID], abs=0.01
    )
    assert said.duration == 6.0


def _letters(texts: Sequence[str]) -> int:
    return sum(len(each.replace(" ", "")) for each in texts)


async def test_speakers_are_told(recording: Path, folder: Path) -> None:
    async with speech_server("speakers") as service:
        said = await transcript(
            service.url, recording, folder, speech_model="gpt-4o-transcribe-diarize"
        )
    assert [each.speaker for each in said.sentences] == ["A", "B", "A"]
    assert service.asked[0].field("response_format") == ["diarized_json"]


async def test_silence_is_no_sentence(recording: Path, folder: Path) -> None:
    async with speech_server("silence") as service:
        said = await transcript(service.url, recording, folder)
    assert (said.sentences, said.language) == ([], "en")


async def test_silence_is_not_even_sent(tmp_path: Path, folder: Path, ffmpeg: Path) -> None:
    silence = sound(tmp_path / "silence.wav", (3.0, 0.0))
    async with speech_server("words") as service:
        said = await transcript(service.url, silence, folder, ffmpeg=ffmpeg)
    assert said == Transcript([], None, 3.0)
    assert service.asked == []


PASSING = {
    "429": "too much to do",
    "500": "failed",
    "503": "failed",
    "nonsense": "no transcript",
    "hang": "too long",
    "late": "too long",
    "drip": "too long",
}
LASTING = {
    "400": "refused the recording",
    "401": "refused the key",
    "403": "refused the key",
    "404": "no such address or model",
    "413": "too large",
    "moved": r"\(HTTP 302\)",
}


@pytest.mark.parametrize("behaviour", [*PASSING, *LASTING])
async def test_a_bad_day(behaviour: str, recording: Path, folder: Path) -> None:
    limit = 0.2 if PASSING.get(behaviour) == "too long" else 20.0
    async with speech_server(behaviour) as service:
        with (
            capture_logs() as logged,
            pytest.raises(Problem, match=(PASSING | LASTING)[behaviour]) as raised,
        ):
            await transcript(service.url, recording, folder, speech_time_limit=limit)
        assert len(service.asked) == 1
    assert isinstance(raised.value, Unavailable) == (behaviour in PASSING)
    assert isinstance(raised.value, Forbidden) == (behaviour in ("401", "403"))
    assert len(logged) == 1
    told = f"{raised.value} {logged}"
    assert not any(each in told for each in (KEY, "127.0.0.1", "sk-secret", "srv"))
    assert raised.value.__suppress_context__ or raised.value.__context__ is None


async def test_nobody_there(recording: Path, folder: Path) -> None:
    async with speech_server("words") as service:
        pass
    with capture_logs() as logged, pytest.raises(Unavailable, match="does not answer"):
        await transcript(service.url, recording, folder)
    assert logged == [{"event": "speech_away", "error": "ConnectError", "log_level": "warning"}]


async def test_who_cancels_is_obeyed(recording: Path, folder: Path) -> None:
    async with speech_server("hang") as service:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.2):
                await transcript(service.url, recording, folder)


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
async def test_nonsense_may_pass(body: bytes, recording: Path, folder: Path) -> None:
    for kind in ("application/json", "text/html"):
        async with speech_server(lambda _, kind=kind: Answered(body, content_type=kind)) as service:  # type: ignore[misc]
            with pytest.raises(Unavailable, match="no transcript"):
                await transcript(service.url, recording, folder)


async def test_nothing_compressed_is_unpacked(recording: Path, folder: Path) -> None:
    packed = Answered(gzip.compress(b'{"text": "a"}'), headers={"Content-Encoding": "gzip"})
    async with speech_server(lambda _: packed) as service:
        with pytest.raises(Unavailable, match="no transcript"):
            await transcript(service.url, recording, folder)
    assert service.asked[0].headers["accept-encoding"] == "identity"


async def test_too_large_an_answer_is_not_read(
    recording: Path, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("domains.kernel.models.speech._LARGEST_ANSWER", 1_000_000)
    body = b'{"text": "' + b"a" * 1_000_000 + b'"}'
    async with speech_server(lambda _: Answered(body)) as service:
        with pytest.raises(Unavailable, match="no transcript"):
            await transcript(service.url, recording, folder)


async def test_a_parameter_that_is_not_known_is_left_out_for_all_pieces(
    tmp_path: Path, folder: Path, ffmpeg: Path
) -> None:
    long = sound(tmp_path / "long.wav", (7.0, 0.5))
    async with speech_server("json-only") as service:
        await transcript(service.url, long, folder, ffmpeg=ffmpeg, longest=6.0)
    formats = [each.field("response_format") for each in service.asked]
    assert formats == [["verbose_json"], ["json"], ["json"]]


async def test_a_service_that_knows_no_way_is_not_asked_for_ever(
    recording: Path, folder: Path
) -> None:
    def refuse(_: Asked) -> Answered:
        return refusal(400, "timestamp_granularities and response_format are wrong")

    async with speech_server(refuse) as service:
        with pytest.raises(Invalid, match="HTTP 400"):
            await transcript(service.url, recording, folder)
        assert len(service.asked) == 3


async def test_pieces_become_one_transcript(tmp_path: Path, folder: Path, ffmpeg: Path) -> None:
    long = sound(tmp_path / "long.wav", (5.5, 0.5), (0.4, 0.0), (5.0, 0.5), (0.4, 0.0), (3.0, 0.5))
    answers = iter(
        [
            [("It begins here.", 1.0, 2.0), ("Then we had to", 4.0, 5.4)],
            [("wait for weeks.", 0.2, 1.0), ("Thank you.", 4.0, 5.2)],
            [("Thank you.", 0.1, 1.0), ("Goodbye.", 2.0, 999.0)],
        ]
    )

    def answer(_: Asked) -> Answered:
        told = [{"text": text, "start": start, "end": end} for text, start, end in next(answers)]
        return Answered(msgspec.json.encode({"text": "", "language": "de", "segments": told}))

    async with speech_server(answer) as service:
        said = await transcript(service.url, long, folder, ffmpeg=ffmpeg, longest=6.0)
    assert [each.file_type for each in service.asked] == ["audio/flac"] * 3
    assert [each.file_name for each in service.asked] == [f"piece-00{n}.flac" for n in range(3)]
    assert all(kind_of(each.file) == media._FLAC for each in service.asked)
    texts = [each.text for each in said.sentences]
    assert texts == ["It begins here.", "Then we had to wait for weeks.", "Thank you.", "Goodbye."]
    starts = [each.start for each in said.sentences]
    assert starts == pytest.approx([1.0, 4.0, 5.7 + 4.0, 11.1 + 2.0], abs=0.2)
    assert said.sentences[-1].end == said.duration == pytest.approx(14.3)


async def test_speakers_of_two_pieces_are_not_the_same_people(
    tmp_path: Path, folder: Path, ffmpeg: Path
) -> None:
    long = sound(tmp_path / "long.wav", (7.0, 0.5))
    async with speech_server("speakers") as service:
        said = await transcript(service.url, long, folder, ffmpeg=ffmpeg, longest=6.0)
    names = [each.speaker for each in said.sentences]
    assert names == ["A", "B", "A", "A (part 2)", "B (part 2)", "A (part 2)"]


# ---- without a service


def heard(length: float | None = 10.0, /, **answer: Any) -> Heard:
    return understood(msgspec.json.encode(answer), "application/json", length)


def told(**answer: Any) -> list[tuple[str, float, float]]:
    return [
        (each.text, round(each.start, 3), round(each.end, 3))
        for each in sentences(heard(**answer).tokens)
    ]


def words(text: str, *, start: float = 0.0, each: float = 0.5) -> list[dict[str, Any]]:
    return [
        {"word": word, "start": start + each * at, "end": start + each * (at + 1)}
        for at, word in enumerate(text.split())
    ]


def test_words_alone_end_at_punctuation_and_pauses() -> None:
    spoken = [*words(" Yes. No,  really"), *words("And then", start=4.0)]
    assert told(words=spoken) == [
        ("Yes.", 0.0, 0.5),
        ("No, really", 0.5, 1.5),
        ("And then", 4.0, 5.0),
    ]


def test_the_text_punctuates_the_words() -> None:
    text = "“Well,” said Dr. Who: it is 3.5 times — or more! Isn't it?"
    spoken = words("Well said Dr Who it is 3 5 times or more Isnt it")
    assert [each[0] for each in told(text=text, words=spoken)] == [
        "“Well,” said Dr. Who: it is 3.5 times — or more!",
        "Isn't it?",
    ]
    assert told(text=text, words=spoken)[1][1:] == (5.5, 6.5)


def test_words_that_are_not_the_texts_stand_for_themselves() -> None:
    assert told(text="It costs $5.", words=words("it costs five")) == [("it costs five", 0.0, 1.5)]


def test_words_may_be_inside_segments_and_lack_times() -> None:
    segments = [
        {"text": " It works.", "start": 0, "end": 4, "words": words("It works", start=1.0)},
        {"text": "Well.", "start": 4, "end": 5, "words": [{"word": "Well."}]},
    ]
    assert told(segments=segments) == [("It works.", 1.0, 2.0), ("Well.", 2.0, 2.0)]


def test_a_sentence_goes_on_over_segments() -> None:
    segments = [
        {"text": "We need an", "start": 0, "end": 2},
        {"text": "export. It is", "start": 2, "end": 4},
        {"text": "urgent.", "start": 4, "end": 5},
    ]
    assert [each[0] for each in told(segments=segments)] == ["We need an export.", "It is urgent."]


def test_scripts_without_spaces() -> None:
    segments = [
        {"text": "エクスポートが必要です。急いで", "start": 0, "end": 4},
        {"text": "います。", "start": 4, "end": 5},
    ]
    assert [each[0] for each in told(segments=segments)] == [
        "エクスポートが必要です。",
        "急いでいます。",
    ]
    assert [each[0] for each in told(text="你好。谢谢！", words=words("你 好 谢 谢"))] == [
        "你好。",
        "谢谢！",
    ]


def test_text_is_clean() -> None:
    assert told(text=" A\x00 b\u0085\n c.\t") == [("A b c.", 0.0, 10.0)]
    assert told(text="\x00 \n") == []


def test_times_beyond_the_recording_are_brought_back() -> None:
    segments = [
        {"text": "One.", "start": -5, "end": 3},
        {"text": "Two.", "start": 1, "end": 2},
        {"text": "Three.", "start": 9, "end": 1e300},
    ]
    assert told(segments=segments) == [
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
def test_an_unknown_length_is_the_answers(answer: dict[str, Any], duration: float) -> None:
    assert heard(None, **answer).duration == duration


def test_endless_talk_is_divided() -> None:
    made = sentences([Token("ah", at * 0.1, at * 0.1 + 0.1) for at in range(1000)])
    assert all(len(each.text.split()) <= 100 for each in made)


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


@given_settings(max_examples=60)
@given(spoken, lengths)
def test_sentences_of_any_words_lose_none(answer: list[dict[str, Any]], length: float) -> None:
    found = heard(length, words=answer)
    _in_order(sentences(found.tokens), found.duration)
    assert _bare(each.text for each in sentences(found.tokens)) == _bare(
        each["word"] for each in answer
    )


@given_settings(max_examples=60)
@given(segmented, spoken, lengths)
def test_sentences_of_any_segments_lose_no_word(
    answer: list[dict[str, Any]], timed: list[dict[str, Any]], length: float
) -> None:
    found = heard(length, segments=answer, words=timed)
    _in_order(sentences(found.tokens), found.duration)
    kept = answer if _bare(each["text"] for each in answer) else timed
    assert _bare(each.text for each in sentences(found.tokens)) == _bare(
        each.get("text", each.get("word")) for each in kept
    )


@given(st.text(), lengths)
def test_sentences_of_any_text_lose_no_word(text: str, length: float) -> None:
    found = heard(length, text=text)
    _in_order(sentences(found.tokens), found.duration)
    assert _bare(each.text for each in sentences(found.tokens)) == _bare([text])


def _bare(texts: Any) -> str:
    """All that is written, without spaces and control characters."""
    return "".join(each for text in texts for each in text if not _is_dirt(each))


def _is_dirt(character: str) -> bool:
    return character.isspace() or ord(character) < 32 or 127 <= ord(character) < 160


def _in_order(said: list[Sentence], duration: float) -> None:
    assert 0.0 <= duration < math.inf
    times = [(each.start, each.end) for each in said]
    assert times == sorted(times)
    assert [end for _, end in times] == sorted(end for _, end in times)
    assert all(0.0 <= start <= end <= duration for start, end in times)
    assert all(each.text == " ".join(each.text.split()) != "" for each in said)


def test_every_behaviour_has_its_day() -> None:
    tried = {"words", "segments", "no-words", "plain", "text", "json-only", "speakers", "silence"}
    assert tried | {*PASSING, *LASTING} == {*BEHAVIOURS}
