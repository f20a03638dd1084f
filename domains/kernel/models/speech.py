"""Transcripts of recordings, from a service that implements OpenAI's `POST /audio/transcriptions`.

A recording is split into pieces; each piece becomes a response, and all responses become one list
of sentences. Services respond with timed words, timed segments or text alone. The transcript
contains only words from the responses. Missing times are estimated from the length of the words.
"""

import asyncio
import contextlib
import itertools
import re
import time
from collections.abc import AsyncIterator, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Final

import msgspec
import structlog

from domains.kernel.core.breaker import Breaker
from domains.kernel.core.problems import (
    DependencyUnavailable,
    Forbidden,
    Invalid,
    Problem,
    Unavailable,
)
from domains.kernel.core.settings import Settings
from domains.kernel.models.endpoint import Endpoint, Response, ResponseTooLarge, single_line
from domains.kernel.untrusted.media import MAX_DURATION, MediaFormat, Piece, split_recording

log = structlog.get_logger()

_MAX_RESPONSE_BYTES: Final = 50_000_000

# Seconds.
_CONNECT_TIMEOUT: Final = 30.0
_MAX_PIECE: Final = 600.0  # of sound in one request
_MIN_PIECE: Final = 0.2  # a shorter piece is not sent
_SENTENCE_PAUSE: Final = 1.0  # ends a sentence
_MAX_SENTENCE: Final = 60.0
# Seconds. Equal sentences closer than this at a cut are one sentence in both pieces.
_MAX_DUPLICATE_GAP: Final = 0.5

# Decimals of the seconds in a transcript. Rounding keeps the order where sums are inexact.
_DECIMALS: Final = 3

_MAX_SENTENCE_WORDS: Final = 80
_CHARACTERS_PER_SECOND: Final = 15.0
_MAX_LABEL: Final = 100  # characters of a language or speaker

_Fields = dict[str, str | list[str]]

# Recordings that may be sent at the same time during an outage. Each may hang until its time limit.
_MAX_PROBES: Final = 2

_UNAVAILABLE: Final = "The speech-to-text service is unavailable."
_INVALID_RESPONSE: Final = "The speech-to-text service's response is not a transcript."


class Sentence(msgspec.Struct, frozen=True):
    """A sentence, from `start` to `end` in seconds since the beginning of the recording."""

    text: str
    start: float
    end: float
    speaker: str | None = None


class Transcript(msgspec.Struct, frozen=True):
    """The sentences of a recording. Empty if nobody speaks.

    Starts and ends never decrease and are at most `duration`. `language` is as the service names
    it ("en", "english").
    """

    sentences: list[Sentence]
    language: str | None
    duration: float


class Token(msgspec.Struct):
    """A word as written, with its punctuation."""

    text: str
    start: float
    end: float
    speaker: str | None = None


class PieceTranscript(msgspec.Struct, frozen=True):
    """The words of one piece. Times are in seconds since the beginning of the piece."""

    tokens: list[Token]
    language: str | None
    duration: float


class Transcriber:
    """Transcribes recordings with the service of the settings."""

    def __init__(
        self, endpoint: Endpoint, settings: Settings, ffmpeg: Path | None, max_piece: float
    ) -> None:
        self._endpoint = endpoint
        self._model = settings.speech_model
        self._ffmpeg = ffmpeg
        self._max_piece = max_piece
        # Recordings of which requests are being sent.
        self._sending = 0
        self.breaker: Final = Breaker("speech", _UNAVAILABLE, settings.outage_probe_interval)

    @classmethod
    @contextlib.asynccontextmanager
    async def open(
        cls, settings: Settings, *, ffmpeg: Path | None = None, max_piece: float = _MAX_PIECE
    ) -> AsyncIterator["Transcriber | None"]:
        """Open a client for the service of the settings. Yields None if no URL is set.

        `ffmpeg` splits recordings (default: the one on PATH). `max_piece` is the maximum length of
        sound per request, in seconds. Raises SettingError if the URL or the key cannot be sent.
        """
        if not settings.speech_url:
            yield None
            return
        async with Endpoint.open(
            "GATEWAY_SPEECH",
            settings.speech_url,
            settings.speech_key,
            "/audio/transcriptions",
            accept="*/*",
            time_limit=settings.speech_time_limit,
            connect_timeout=_CONNECT_TIMEOUT,
        ) as endpoint:
            yield cls(endpoint, settings, ffmpeg, max_piece)

    async def transcribe(self, recording: Path, media: MediaFormat, folder: Path) -> Transcript:
        """Transcribe the recording. `folder` is an empty working directory.

        Raises DependencyUnavailable if the service is unavailable, Unavailable if a retry may
        succeed, otherwise another Problem. All have a message for the customer.
        """
        if self.breaker.refuses:
            # Before the recording is split.
            raise self.breaker.unavailable()
        pieces = await split_recording(
            recording, media, folder, max_seconds=self._max_piece, ffmpeg=self._ffmpeg
        )
        audible = [
            piece
            for piece in pieces
            if not piece.silent and (piece.duration is None or piece.duration >= _MIN_PIECE)
        ]
        # OpenAI's models that distinguish speakers accept no other parameters.
        formats = [_SPEAKERS] if "diarize" in self._model else [_WORDS, _SEGMENTS, _TEXT]
        with self._admit():
            transcripts = [await self._transcribe_piece(piece, formats) for piece in audible]
        end = pieces[-1].offset + (pieces[-1].duration or 0.0)
        return await asyncio.to_thread(_merge, audible, transcripts, end)

    @contextlib.contextmanager
    def _admit(self) -> Iterator[None]:
        """Raise DependencyUnavailable during an outage, unless the recording is a probe."""
        if self._sending >= _MAX_PROBES:
            self.breaker.refuse_during_outage()
        self.breaker.admit()
        self._sending += 1
        try:
            yield
        finally:
            self._sending -= 1

    async def _transcribe_piece(self, piece: Piece, formats: list[_Fields]) -> PieceTranscript:
        """Request the first of the formats. Removes formats that the service rejects."""
        while True:
            began = time.monotonic()
            response = await self._send(piece, formats[0], began)
            if response.status == 200:
                # Parsing a large response would block the event loop.
                transcript = await asyncio.to_thread(_parse, response, piece.duration)
                self.breaker.succeeded()
                return transcript
            accepted = _accepted(formats, response)
            if not accepted:
                raise self._rejection(response.status, began)
            self.breaker.succeeded()
            formats[:] = accepted

    def _rejection(self, status: int, began: float) -> Problem:
        """Record an error response and return the problem to raise."""
        problem = _problem(status)
        if isinstance(problem, DependencyUnavailable):
            self.breaker.failed(f"HTTP {status}", began=began, message=problem.message)
        else:
            log.warning("speech_rejected", status=status)
            if status >= 400:
                self.breaker.succeeded()
        return problem

    async def _send(self, piece: Piece, format_: _Fields, began: float) -> Response:
        try:
            # Opened on the event loop: a thread would leave the file open on cancellation.
            with piece.path.open("rb") as file:
                return await self._endpoint.post(
                    data={"model": self._model, **format_},
                    files={"file": (piece.name, file, piece.content_type)},
                    max_bytes=_MAX_RESPONSE_BYTES,
                )
        except TimeoutError:
            message = "The speech-to-text service took too long."
            self.breaker.failed("timeout", began=began, message=message)
            raise _outage(message, suspect=True) from None
        except ConnectionError as error:
            reason, message = str(error), "The speech-to-text service cannot be reached."
            self.breaker.failed(reason, began=began, message=message)
            # Without a connection, no recording was sent.
            suspect = reason not in ("ConnectError", "ConnectTimeout")
            raise _outage(message, suspect=suspect) from None
        except ResponseTooLarge:
            log.warning("speech_invalid_response", error="too large")
            raise Unavailable(_INVALID_RESPONSE) from None


def _merge(
    pieces: Sequence[Piece], transcripts: Sequence[PieceTranscript], end: float
) -> Transcript:
    """Merge the pieces into one transcript that lasts until `end` or longer."""
    merged: list[Sentence] = []
    for number, (piece, transcript) in enumerate(zip(pieces, transcripts, strict=True)):
        last = piece.offset + transcript.duration
        end = max(end, last)
        sentences = _shift(to_sentences(transcript.tokens), piece.offset, last, number)
        merged = _join(merged, sentences)
    languages = (transcript.language for transcript in transcripts if transcript.language)
    return Transcript(merged, next(languages, None), round(end, _DECIMALS))


# ---- words to sentences


def to_sentences(tokens: Sequence[Token]) -> list[Sentence]:
    """Join words into sentences. They end at punctuation, pauses and changes of the speaker."""
    sentences: list[Sentence] = []
    current: list[Token] = []
    for token, following in itertools.zip_longest(tokens, tokens[1:]):
        current.append(token)
        if (
            following is None
            or following.speaker != token.speaker
            or following.start - token.end >= _SENTENCE_PAUSE
            or len(current) >= _MAX_SENTENCE_WORDS
            or token.end - current[0].start >= _MAX_SENTENCE
            or _is_end(token.text, following.text)
        ):
            text = _join_words(word.text for word in current)
            end = max(word.end for word in current)
            sentences.append(Sentence(text, current[0].start, end, token.speaker))
            current = []
    return sentences


_END: Final = re.compile(r"[.!?…。！？؟।]['\"”’»)\]」』）]*$")
_ABBREVIATION: Final = re.compile(
    r"(mr|mrs|ms|dr|st|vs|prof|e\.g|i\.e|(?!i)[^\W\d_])\.", re.IGNORECASE
)
_AFTER_FULL_STOP: Final = re.compile(r"(?<=[。！？])(?![。！？”’)」』）])")


def _is_end(text: str, following: str) -> bool:
    if _END.search(text) is None:
        return False
    return not (text.endswith(".") and (_ABBREVIATION.fullmatch(text) or following[:1].islower()))


def _join_words(words: Iterable[str]) -> str:
    """Join words with spaces, but not between Chinese or Japanese characters."""
    joined = ""
    for word in words:
        spaced = joined and not (_is_cjk(joined[-1]) and _is_cjk(word[0]))
        joined += f" {word}" if spaced else word
    return joined


def _is_cjk(character: str) -> bool:
    """Return True for a Chinese or Japanese character: these are written without spaces."""
    return "\u2e80" <= character <= "\u9fff" or "\uff00" <= character <= "\uffef"


def _shift(
    sentences: Iterable[Sentence], offset: float, limit: float, number: int
) -> list[Sentence]:
    """Shift a piece's sentences by its offset in the recording. Times are capped at `limit`.

    A service names speakers per piece: the same name in two pieces may be two people, so names
    after the first piece get the number of their piece.
    """
    return [
        Sentence(
            sentence.text,
            round(min(offset + sentence.start, limit), _DECIMALS),
            round(min(offset + sentence.end, limit), _DECIMALS),
            f"{speaker} (part {number + 1})" if speaker and number else speaker,
        )
        for sentence in sentences
        for speaker in [sentence.speaker]
    ]


def _join(before: list[Sentence], after: list[Sentence]) -> list[Sentence]:
    """Join the sentences of two adjacent pieces of a recording.

    A sentence that was cut in two is merged. A sentence transcribed in both pieces is kept once.
    """
    if not before or not after:
        return before + after
    last, first = before[-1], after[0]
    gap = first.start - last.end
    if last.text.casefold() == first.text.casefold() and gap < _MAX_DUPLICATE_GAP:
        one = Sentence(last.text, last.start, first.end, last.speaker)
    elif (
        last.speaker is first.speaker is None
        and gap < _SENTENCE_PAUSE
        and not _is_end(last.text, first.text)
    ):
        one = Sentence(_join_words((last.text, first.text)), last.start, first.end)
    else:
        return before + after
    return [*before[:-1], one, *after[1:]]


# ---- responses to words


class _Timed(msgspec.Struct, kw_only=True):
    start: float | None = None
    end: float | None = None
    speaker: str | int | None = None


class _Word(_Timed):
    word: str


class _Segment(_Timed):
    text: str = ""
    words: list[_Word] | None = None


class _Body(msgspec.Struct):
    text: str | None = None
    language: str | None = None
    duration: float | str | None = None
    words: list[_Word] | None = None
    segments: list[_Segment] | None = None


_DECODER: Final = msgspec.json.Decoder(_Body)


def parse_response(body: bytes, content_type: str, duration: float | None) -> PieceTranscript:
    """Parse the response for a piece of `duration` seconds. Raises ValueError if it is invalid."""
    start = body.lstrip()[:1]
    if start == b"{":
        decoded = _DECODER.decode(body)
        if decoded.text is None and decoded.words is None and decoded.segments is None:
            raise ValueError("no text")
    elif content_type.startswith("text/plain") and start != b"<":
        decoded = _Body(text=body.decode())
    else:
        raise ValueError("neither JSON nor plain text")
    length = _length(decoded) if duration is None else duration
    tokens = _ordered(_tokens(decoded, length), length)
    language = single_line(decoded.language or "")[:_MAX_LABEL]
    return PieceTranscript(tokens, language or None, length)


def _length(body: _Body) -> float:
    """Seconds of sound: the duration in the body, the last end, or an estimate from the text."""
    duration = body.duration
    if isinstance(duration, str):
        is_number = re.fullmatch(r"[0-9]{1,9}(\.[0-9]{1,9})?", duration)
        duration = float(duration) if is_number else None
    if duration is not None and duration > 0:
        return min(duration, MAX_DURATION)
    timed: list[_Timed] = [*(body.words or ()), *(body.segments or ())]
    ends = [_time(part.end, 0.0) for part in timed if part.end]
    return max(ends, default=len(single_line(body.text or "")) / _CHARACTERS_PER_SECOND)


def _tokens(body: _Body, length: float) -> list[Token]:
    """Return the tokens of the segments or, without segments, of the text.

    The tokens get the times of the timed words if the letters are equal. Returns the timed words
    themselves if there is no text, or if there are no segments and the text differs.
    """
    segments = [segment for segment in body.segments or () if single_line(segment.text)]
    inner = (word for segment in body.segments or () for word in segment.words or ())
    words = _words(body.words or inner)
    if segments:
        written = _distribute_segments(segments)
    elif text := single_line(body.text or ""):
        written = _distribute(text, 0.0, length, None)
    else:
        return words
    if _copy_times(written, words):
        return written
    return written if segments or not words else words


def _words(words: Iterable[_Word]) -> list[Token]:
    tokens: list[Token] = []
    end = 0.0
    for word in words:
        start = _time(word.start, end)
        end = _time(word.end, start)
        if text := single_line(word.word):
            tokens.append(Token(text, start, end, _speaker(word.speaker)))
    return tokens


def _time(seconds: float | None, default: float) -> float:
    return default if seconds is None else min(max(seconds, 0.0), MAX_DURATION)


def _distribute_segments(segments: Sequence[_Segment]) -> list[Token]:
    tokens: list[Token] = []
    end = 0.0
    for segment in segments:
        start = _time(segment.start, end)
        end = max(start, _time(segment.end, start))
        tokens += _distribute(single_line(segment.text), start, end, _speaker(segment.speaker))
    return tokens


def _distribute(text: str, start: float, end: float, speaker: str | None) -> list[Token]:
    """Split the text into words. Each gets a share of the time in proportion to its length."""
    words = [part for word in text.split() for part in _AFTER_FULL_STOP.split(word) if part]
    per_character = (end - start) / max(1, sum(map(len, words)))
    edges = itertools.accumulate(map(len, words), initial=0)
    return [
        Token(word, start + per_character * first, start + per_character * last, speaker)
        for word, (first, last) in zip(words, itertools.pairwise(edges), strict=True)
    ]


def _copy_times(written: list[Token], words: Sequence[Token]) -> bool:
    """Copy the words' times to the written tokens. Returns False if their letters differ.

    Timed words often lack punctuation and are split differently.
    """
    letters = [_letters(token.text) for token in written]
    spoken = [(letter, word) for word in words for letter in _letters(word.text)]
    if not spoken or "".join(letters) != "".join(letter for letter, _ in spoken):
        return False
    position = 0
    for token, own in zip(written, letters, strict=True):
        first = spoken[min(position, len(spoken) - 1)][1]
        last = spoken[max(position + len(own) - 1, 0)][1]
        position += len(own)
        if own:
            token.start, token.end = first.start, last.end
            token.speaker = token.speaker or first.speaker
        else:
            token.start = token.end = last.end
    return True


def _ordered(tokens: list[Token], limit: float) -> list[Token]:
    """Change times so that starts and ends never decrease and do not exceed the limit."""
    start = end = 0.0
    for token in tokens:
        start = token.start = min(max(start, token.start), limit)
        end = token.end = min(max(end, token.start, token.end), limit)
    return tokens


def _letters(text: str) -> str:
    return "".join(filter(str.isalnum, text.casefold()))


def _speaker(name: str | int | None) -> str | None:
    return None if name is None else single_line(str(name))[:_MAX_LABEL] or None


# ---- service

# Response formats, from the most detailed to the one that every service supports.
_WORDS: Final[_Fields] = {
    "response_format": "verbose_json",
    "timestamp_granularities[]": ["word", "segment"],
}
_SEGMENTS: Final[_Fields] = {"response_format": "verbose_json"}
_TEXT: Final[_Fields] = {"response_format": "json"}
_SPEAKERS: Final[_Fields] = {"response_format": "diarized_json", "chunking_strategy": "auto"}

# Found in the error response of a service that does not support the parameter.
_TIMESTAMPS: Final = re.compile(rb"timestamp_granularit")
_RESPONSE_FORMAT: Final = re.compile(rb"response_format|verbose_json")


def _parse(response: Response, duration: float | None) -> PieceTranscript:
    content_type = response.headers.get("content-type", "").lower()
    try:
        return parse_response(response.body, content_type, duration)
    except (ValueError, RecursionError) as error:
        log.warning("speech_invalid_response", error=type(error).__name__)
        raise Unavailable(_INVALID_RESPONSE) from None


def _accepted(formats: list[_Fields], response: Response) -> list[_Fields]:
    """Return the formats without the rejected ones; empty if something else was rejected."""
    if response.rejects(_TIMESTAMPS):
        return formats[1:]
    if response.rejects(_RESPONSE_FORMAT):
        rejected = formats[0]["response_format"]
        return [format_ for format_ in formats if format_["response_format"] != rejected]
    return []


def _outage(message: str, *, suspect: bool = False) -> DependencyUnavailable:
    return DependencyUnavailable("speech", message, suspect=suspect)


def _problem(status: int) -> Problem:
    if status in (401, 403):
        return Forbidden("The speech-to-text service rejected the API key.")
    if status == 404:
        return Invalid("The speech-to-text service has no such URL or model.")
    if status == 413:
        return Invalid("The recording is too large for the speech-to-text service.")
    if status == 429:
        return _outage("The rate limit or quota of the speech-to-text service is exceeded.")
    if status in (408, 425) or status >= 500:
        return _outage("The speech-to-text service failed.", suspect=status != 503)
    if status < 300:
        return Unavailable(_INVALID_RESPONSE)
    return Invalid(f"The speech-to-text service rejected the recording (HTTP {status}).")
