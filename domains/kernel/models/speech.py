"""Speech to text by a service that speaks OpenAI's `POST /audio/transcriptions`.

A recording is cut into pieces, each piece becomes an answer, and all answers become one list of
sentences. What services answer differs: words with times, segments with times, or text alone.
Nothing here makes up a word; where an answer tells no times, they are spread by length.
"""

import asyncio
import contextlib
import itertools
import re
from collections.abc import AsyncIterator, Iterable, Sequence
from pathlib import Path
from typing import BinaryIO, Final, Protocol

import httpx
import msgspec
import structlog

from domains.kernel.core.problems import Forbidden, Invalid, Problem, Unavailable
from domains.kernel.core.settings import SettingError, Settings
from domains.kernel.untrusted.media import LONGEST, Media, Piece, pieces

log = structlog.get_logger()

# Bytes of an answer that are read, and those of a refusal.
_LARGEST_ANSWER: Final = 50_000_000
_LARGEST_REFUSAL: Final = 65_536

# Seconds: a pause that ends a sentence, a sentence that has no end, a piece too short to be heard,
# the distance of two equal sentences that may be one, heard twice at a cut, the wait for a
# connection, and the sound of one request.
_PAUSE: Final = 1.0
_LONG: Final = 60.0
_SHORTEST: Final = 0.2
_NEAR: Final = 0.5
_CONNECT: Final = 30.0
_LONGEST_PIECE: Final = 600.0

# Of the seconds in a transcript. The sum of two pieces' times is not exact, and the order must be.
_DIGITS: Final = 3

_MANY_WORDS: Final = 80
_CHARACTERS_A_SECOND: Final = 15.0
_LABEL: Final = 100

_NONSENSE: Final = "The speech-to-text service answered something that is no transcript."
_LATE: Final = "The speech-to-text service took too long."
_AWAY: Final = "The speech-to-text service does not answer."


class Sentence(msgspec.Struct, frozen=True):
    """What somebody said, from `start` to `end`, in seconds from the recording's beginning."""

    text: str
    start: float
    end: float
    speaker: str | None = None


class Transcript(msgspec.Struct, frozen=True):
    """All that was said: in order, with starts and ends that never go back, within `duration`.

    `language` as the service names it ("en", "english"). No sentences: nobody spoke.
    """

    sentences: list[Sentence]
    language: str | None
    duration: float


class Token(msgspec.Struct):
    """One word as written, with the punctuation at it."""

    text: str
    start: float
    end: float
    speaker: str | None = None


class Heard(msgspec.Struct, frozen=True):
    """What one piece says; times in seconds from the piece's beginning."""

    tokens: list[Token]
    language: str | None
    duration: float


class Service(Protocol):
    """Who turns sound into words."""

    async def hear(self, cut: Sequence[Piece]) -> list[Heard]:
        """The words of each piece. Unavailable if it may succeed later, else another Problem."""
        ...


class Speech:
    """Transcripts of recordings."""

    def __init__(
        self, service: Service, ffmpeg: Path | None = None, longest: float = _LONGEST_PIECE
    ) -> None:
        self._service = service
        self._ffmpeg = ffmpeg
        self._longest = longest

    @classmethod
    @contextlib.asynccontextmanager
    async def open(
        cls,
        settings: Settings,
        *,
        ffmpeg: Path | None = None,
        longest: float = _LONGEST_PIECE,
    ) -> AsyncIterator["Speech | None"]:
        """The service of the settings; None if they name none.

        `ffmpeg` is the program to cut recordings with; if not given, the one of PATH. `longest` are
        the seconds of one request's sound. SettingError if the URL or the key cannot be sent.
        """
        if not settings.speech_url:
            yield None
            return
        key, time_limit = settings.speech_key, settings.speech_time_limit
        if not (key.isascii() and key.isprintable()):
            raise SettingError("GATEWAY_SPEECH_KEY has characters that no key has")
        try:
            url = httpx.URL(settings.speech_url)
        except httpx.InvalidURL:
            raise SettingError("GATEWAY_SPEECH_URL is not a URL") from None
        async with httpx.AsyncClient(
            # What is compressed may be far larger than what is read, so nothing shall be.
            headers={"Accept-Encoding": "identity"}
            | ({"Authorization": f"Bearer {key}"} if key else {}),
            # For each wait; `asyncio.timeout` limits all of them together.
            timeout=httpx.Timeout(time_limit, connect=min(time_limit, _CONNECT)),
            # A kept connection may be gone when minutes later the next piece is sent.
            limits=httpx.Limits(max_keepalive_connections=0),
            follow_redirects=False,
            trust_env=False,
        ) as client:
            path = url.path.rstrip("/") + "/audio/transcriptions"
            endpoint = url.copy_with(path=path)
            service = _OpenAi(client, endpoint, settings.speech_model, time_limit)
            yield cls(service, ffmpeg, longest)

    async def transcribe(self, recording: Path, media: Media, folder: Path) -> Transcript:
        """What is said in the recording. `folder` is an empty directory to work in.

        Unavailable if it may succeed later; another Problem, with a sentence to show, if not.
        """
        cut = await pieces(recording, media, folder, longest=self._longest, ffmpeg=self._ffmpeg)
        sounding = [each for each in cut if not each.silent and _is_long_enough(each)]
        heard = await self._service.hear(sounding)
        end = cut[-1].offset + (cut[-1].duration or 0.0)
        return await asyncio.to_thread(_together, sounding, heard, end)


def _together(cut: Sequence[Piece], heard: Sequence[Heard], end: float) -> Transcript:
    """One transcript of all that was heard, of a recording that ends then or later."""
    said: list[Sentence] = []
    for number, (piece, answer) in enumerate(zip(cut, heard, strict=True)):
        last = piece.offset + answer.duration
        end = max(end, last)
        said = _joined(said, _moved(sentences(answer.tokens), piece.offset, last, number))
    languages = (each.language for each in heard if each.language)
    return Transcript(said, next(languages, None), round(end, _DIGITS))


def _is_long_enough(piece: Piece) -> bool:
    return piece.duration is None or piece.duration >= _SHORTEST


# ---- from words to sentences


def sentences(tokens: Sequence[Token]) -> list[Sentence]:
    """The words as sentences: they end at punctuation, at pauses and where the speaker changes."""
    made: list[Sentence] = []
    open_: list[Token] = []
    for token, following in itertools.zip_longest(tokens, tokens[1:]):
        open_.append(token)
        if (
            following is None
            or following.speaker != token.speaker
            or following.start - token.end >= _PAUSE
            or len(open_) >= _MANY_WORDS
            or token.end - open_[0].start >= _LONG
            or _is_end(token.text, following.text)
        ):
            text = _written(each.text for each in open_)
            end = max(each.end for each in open_)
            made.append(Sentence(text, open_[0].start, end, token.speaker))
            open_ = []
    return made


_END: Final = re.compile(r"[.!?…。！？؟।]['\"”’»)\]」』）]*$")
_SHORT: Final = re.compile(r"(mr|mrs|ms|dr|st|vs|prof|e\.g|i\.e|(?!i)[^\W\d_])\.", re.IGNORECASE)
_AFTER_FULL_STOP: Final = re.compile(r"(?<=[。！？])(?![。！？”’)」』）])")


def _is_end(text: str, following: str) -> bool:
    if _END.search(text) is None:
        return False
    return not (text.endswith(".") and (_SHORT.fullmatch(text) or following[:1].islower()))


def _written(texts: Iterable[str]) -> str:
    """Words in a row, with spaces unless they are of a script that has none."""
    written = ""
    for text in texts:
        apart = written and not (_is_dense(written[-1]) and _is_dense(text[0]))
        written += f" {text}" if apart else text
    return written


def _is_dense(character: str) -> bool:
    """Whether it is of Chinese or Japanese, which are written without spaces."""
    return "\u2e80" <= character <= "\u9fff" or "\uff00" <= character <= "\uffef"


def _moved(said: Iterable[Sentence], offset: float, duration: float, number: int) -> list[Sentence]:
    """Sentences of a piece in the time of its recording.

    The service names the speakers of each piece anew, so one name in two pieces is two people.
    """
    return [
        Sentence(
            each.text,
            round(min(offset + each.start, duration), _DIGITS),
            round(min(offset + each.end, duration), _DIGITS),
            f"{each.speaker} (part {number + 1})" if each.speaker and number else each.speaker,
        )
        for each in said
    ]


def _joined(before: list[Sentence], after: list[Sentence]) -> list[Sentence]:
    """The sentences of two neighbouring pieces.

    What was cut in two becomes one, and what both say at the cut is said once.
    """
    if not before or not after:
        return before + after
    last, first = before[-1], after[0]
    apart = first.start - last.end
    if last.text.casefold() == first.text.casefold() and apart < _NEAR:
        one = Sentence(last.text, last.start, first.end, last.speaker)
    elif (
        last.speaker is first.speaker is None
        and apart < _PAUSE
        and not _is_end(last.text, first.text)
    ):
        one = Sentence(_written((last.text, first.text)), last.start, first.end)
    else:
        return before + after
    return [*before[:-1], one, *after[1:]]


# ---- from an answer to words


class _Word(msgspec.Struct):
    word: str
    start: float | None = None
    end: float | None = None
    speaker: str | int | None = None


class _Segment(msgspec.Struct):
    text: str = ""
    start: float | None = None
    end: float | None = None
    speaker: str | int | None = None
    words: list[_Word] | None = None


class _Answer(msgspec.Struct):
    text: str | None = None
    language: str | None = None
    duration: float | str | None = None
    words: list[_Word] | None = None
    segments: list[_Segment] | None = None


_DECODER: Final = msgspec.json.Decoder(_Answer)


def understood(body: bytes, content_type: str, duration: float | None) -> Heard:
    """What an answer says about a piece of so many seconds. ValueError if it is no transcript."""
    start = body.lstrip()[:1]
    if start == b"{":
        answer = _DECODER.decode(body)
        if answer.text is None and answer.words is None and answer.segments is None:
            raise ValueError("no text")
    elif content_type.startswith("text/plain") and start != b"<":
        answer = _Answer(text=body.decode())
    else:
        raise ValueError("no transcript")
    limit = _limit(answer, duration)
    tokens = _in_order(_tokens(answer, limit), limit)
    return Heard(tokens, _clean(answer.language or "")[:_LABEL] or None, limit)


def _limit(answer: _Answer, duration: float | None) -> float:
    """Seconds of the piece: as it was cut, or as the answer tells, or as long as its words take."""
    if duration is not None:
        return duration
    told = answer.duration
    if isinstance(told, str):
        told = float(told) if re.fullmatch(r"[0-9]{1,9}(\.[0-9]{1,9})?", told) else None
    if told is not None and told > 0:
        return min(told, LONGEST)
    timed: list[_Word | _Segment] = [*(answer.words or ()), *(answer.segments or ())]
    ends = [_time(each.end, 0.0) for each in timed if each.end]
    return max(ends, default=len(_clean(answer.text or "")) / _CHARACTERS_A_SECOND)


def _tokens(answer: _Answer, limit: float) -> list[Token]:
    segments = [each for each in answer.segments or () if _clean(each.text)]
    inner = (word for each in answer.segments or () for word in each.words or ())
    words = _words(answer.words or inner)
    if segments:
        written = _spread_segments(segments)
    elif text := _clean(answer.text or ""):
        written = _spread(text, 0.0, limit, None)
    else:
        return words
    if _timed_by(written, words):
        return written
    return written if segments or not words else words


def _words(words: Iterable[_Word]) -> list[Token]:
    made: list[Token] = []
    at = 0.0
    for word in words:
        start = _time(word.start, at)
        at = _time(word.end, start)
        if text := _clean(word.word):
            made.append(Token(text, start, at, _speaker(word.speaker)))
    return made


def _time(told: float | None, otherwise: float) -> float:
    return otherwise if told is None else min(max(told, 0.0), LONGEST)


def _spread_segments(segments: Sequence[_Segment]) -> list[Token]:
    made: list[Token] = []
    at = 0.0
    for segment in segments:
        start = _time(segment.start, at)
        at = max(start, _time(segment.end, start))
        made += _spread(_clean(segment.text), start, at, _speaker(segment.speaker))
    return made


def _spread(text: str, start: float, end: float, speaker: str | None) -> list[Token]:
    """The words of the text, each with its share of the time by its length."""
    texts = [each for word in text.split() for each in _AFTER_FULL_STOP.split(word) if each]
    second = (end - start) / max(1, sum(map(len, texts)))
    edges = itertools.accumulate(map(len, texts), initial=0)
    return [
        Token(each, start + second * first, start + second * last, speaker)
        for each, (first, last) in zip(texts, itertools.pairwise(edges), strict=True)
    ]


def _timed_by(written: list[Token], words: Sequence[Token]) -> bool:
    """Give what is written the times of the spoken words, if both have the same letters.

    Spoken words often come without punctuation, and are divided otherwise.
    """
    letters = [_letters(each.text) for each in written]
    spoken = [(letter, word) for word in words for letter in _letters(word.text)]
    if not spoken or "".join(letters) != "".join(letter for letter, _ in spoken):
        return False
    at = 0
    for token, own in zip(written, letters, strict=True):
        first, last = spoken[min(at, len(spoken) - 1)][1], spoken[max(at + len(own) - 1, 0)][1]
        at += len(own)
        if own:
            token.start, token.end = first.start, last.end
            token.speaker = token.speaker or first.speaker
        else:
            token.start = token.end = last.end
    return True


def _in_order(tokens: list[Token], limit: float) -> list[Token]:
    """Starts and ends never go back, and lie within the piece."""
    start = end = 0.0
    for token in tokens:
        start = token.start = min(max(start, token.start), limit)
        end = token.end = min(max(end, token.start, token.end), limit)
    return tokens


_DIRT: Final = re.compile(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff]")


def _clean(text: str) -> str:
    return " ".join(_DIRT.sub(" ", text).split())


def _letters(text: str) -> str:
    return "".join(filter(str.isalnum, text.casefold()))


def _speaker(told: str | int | None) -> str | None:
    return None if told is None else _clean(str(told))[:_LABEL] or None


# ---- the service


_Fields = dict[str, str | list[str]]

# What to ask for: from the answer that tells most to the one that every service gives.
_WORDS: Final[_Fields] = {
    "response_format": "verbose_json",
    "timestamp_granularities[]": ["word", "segment"],
}
_SEGMENTS: Final[_Fields] = {"response_format": "verbose_json"}
_TEXT: Final[_Fields] = {"response_format": "json"}
_SPEAKERS: Final[_Fields] = {"response_format": "diarized_json", "chunking_strategy": "auto"}

# What a server's refusal names when it does not know one of these.
_ABOUT_TIMES: Final = re.compile(rb"timestamp_granularit")
_ABOUT_FORMAT: Final = re.compile(rb"response_format|verbose_json")


class _Response(msgspec.Struct, frozen=True):
    status: int
    content_type: str
    body: bytes


class _OpenAi:
    """Any server with OpenAI's interface."""

    def __init__(
        self, client: httpx.AsyncClient, url: httpx.URL, model: str, time_limit: float
    ) -> None:
        self._client = client
        self._url = url
        self._model = model
        self._time_limit = time_limit

    async def hear(self, cut: Sequence[Piece]) -> list[Heard]:
        # OpenAI's models that tell speakers apart take these parameters and no others.
        ways = [_SPEAKERS] if "diarize" in self._model else [_WORDS, _SEGMENTS, _TEXT]
        return [await self._hear(piece, ways) for piece in cut]

    async def _hear(self, piece: Piece, ways: list[_Fields]) -> Heard:
        """The piece, asked for in the first way; one that the server does not know is removed."""
        while True:
            response = await self._ask(piece, ways[0])
            if response.status == 200:
                # An answer may be large enough to hold up all else.
                return await asyncio.to_thread(_heard, response, piece.duration)
            plainer = _plainer(response, ways)
            if not plainer:
                log.warning("speech_refused", status=response.status)
                raise _problem(response.status)
            ways[:] = plainer

    async def _ask(self, piece: Piece, way: _Fields) -> _Response:
        try:
            async with asyncio.timeout(self._time_limit):
                # Not in a thread: a file that it opens for somebody cancelled is never closed.
                with piece.path.open("rb") as file:
                    return await self._send(piece, file, way)
        except (TimeoutError, httpx.ReadTimeout, httpx.WriteTimeout):
            log.warning("speech_late")
            raise Unavailable(_LATE) from None
        except httpx.RequestError as error:
            # Its text and its cause name the address.
            log.warning("speech_away", error=type(error).__name__)
            raise Unavailable(_AWAY) from None

    async def _send(self, piece: Piece, file: BinaryIO, way: _Fields) -> _Response:
        async with self._client.stream(
            "POST",
            self._url,
            data={"model": self._model, **way},
            files={"file": (piece.name, file, piece.content_type)},
        ) as response:
            status = response.status_code
            most = _LARGEST_ANSWER if status == 200 else _LARGEST_REFUSAL
            body = bytearray()
            async for chunk in response.aiter_raw():
                body += chunk
                if len(body) > most:
                    break
            content_type = response.headers.get("Content-Type", "").lower()
            return _Response(status, content_type, bytes(body[: most + 1]))


def _heard(response: _Response, duration: float | None) -> Heard:
    if len(response.body) > _LARGEST_ANSWER:
        log.warning("speech_nonsense", error="too large")
        raise Unavailable(_NONSENSE)
    try:
        return understood(response.body, response.content_type, duration)
    except (ValueError, msgspec.DecodeError, RecursionError) as error:
        log.warning("speech_nonsense", error=type(error).__name__)
        raise Unavailable(_NONSENSE) from None


def _plainer(response: _Response, ways: list[_Fields]) -> list[_Fields]:
    """The ways that are left if the server refused the first because of how it asks."""
    if response.status not in (400, 422):
        return []
    if _ABOUT_TIMES.search(response.body):
        return ways[1:]
    if _ABOUT_FORMAT.search(response.body):
        return [each for each in ways if each["response_format"] != ways[0]["response_format"]]
    return []


def _problem(status: int) -> Problem:
    if status in (401, 403):
        return Forbidden("The speech-to-text service refused the key.")
    if status == 404:
        return Invalid("The speech-to-text service knows no such address or model.")
    if status == 413:
        return Invalid("The speech-to-text service found the recording too large.")
    if status == 429:
        return Unavailable("The speech-to-text service has too much to do.")
    if status in (408, 425) or status >= 500:
        return Unavailable("The speech-to-text service failed.")
    if status < 300:
        return Unavailable(_NONSENSE)
    return Invalid(f"The speech-to-text service refused the recording (HTTP {status}).")
