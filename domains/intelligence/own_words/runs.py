"""Runs of speech: successive entries of one speaker, joined into whole sentences.

Programs that transcribe speech cut it anywhere. The same words, whole or cut into entries of four
words, give the same runs.
"""

import re
from collections.abc import Iterable, Sequence
from typing import Final

from msgspec import Struct

from domains.intelligence.own_words.entries import Entry
from domains.intelligence.text.labels import Section
from domains.intelligence.text.words import word_set
from domains.kernel.core.mapped_text import MappedText, MappedTextBuilder

# A text with fewer sentence marks per word has no punctuation.
_WORDS_PER_MARK: Final = 40
_SENTENCE_MARK: Final = re.compile(r"[.!?…](?=[\s\"'”’»)]|$)|[。！？؟।]")
_MARKS: Final = frozenset(".!?…。！？؟।")
# Marks that some recognisers list like words.
_JOINED_MARKS: Final = ".,?!;:"
_CLOSERS: Final = " \t\n\"'”’»)]」』"
# Words after which speech goes on, in lower case or as "I".
_GOES_ON: Final = re.compile(r"[^\w]*(?:[^\W\d_A-Z]|I\b)")
# Words that are no names, and open a sentence when they are capitalised.
_OPENERS: Final = word_set(
    """
    a an the this that these those there here it its it's he she they we you your our their his her
    my i'm i've and but so or because if when while what who why how where which whether is are was
    were do does did can could would should will have has had let lets let's not no yes yeah well
    okay ok oh um uh hmm mm mhm now then also actually maybe anyway to in on at for from with as by
    """
)
_FIRST_WORD: Final = re.compile(r"[^\w]*([^\W\d_]+)")
# Listeners' sounds and words that do not interrupt.
_BACK_CHANNEL: Final = re.compile(
    r"(?:(?:m+|mm-?hm+|m?hm+|uh-?huh|right|yeah|yes|yep|yup|ok|okay|sure|i see|got it|exactly|wow"
    r"|oh|ah|really|of course|true|absolutely|ja|genau|okej|stimmt|oui|d'accord|voilà|vale|sí|si"
    r"|claro|sim|certo|esatto|はい|うん|ええ|そうですね|嗯|对|好的)[\s.,!…、。-]*){1,3}",
    re.IGNORECASE,
)
_MAX_BACK_CHANNELS: Final = 3
_LONGEST_BACK_CHANNEL: Final = 40
# A note of a sound, such as "[Music]" or "(laughter)", and what recognisers write for silence.
_SOUND: Final = re.compile(r"\s*(?:[\[(*♪][^\]\n\d]{1,40}[\])*♪]|♪+)\s*")
# The slowest speech: seconds for a word, and for an entry. What follows later follows a pause.
_SLOWEST_WORD: Final = 1.0
_SHORTEST_ENTRY: Final = 3.0
# Pauses in seconds: after a longer one, an unknown speaker may be another one, a known speaker
# begins a new message, and speech without punctuation begins a new sentence.
_LONG_PAUSE: Final = 3.0
_TURN_PAUSE: Final = 10.0
_SENTENCE_PAUSE: Final = 1.5


class Run(Struct, frozen=True):
    """Whole sentences of one speaker."""

    text: MappedText
    speaker: str | None
    start_time: float | None
    end_time: float | None
    section: Section


def join(entries: Sequence[Entry]) -> list[Run]:
    """Join successive entries of a speaker. Entries that are not spoken stay as they are.

    Back-channels of others, such as "right", do not end a run within a sentence; they follow it.
    """
    filled = [entry for entry in entries if not _is_silent(entry)]
    is_punctuated = _is_punctuated(filled)
    runs: list[Run] = []
    group: list[Entry] = []
    # Back-channels within the group, and those that no entry of the group has followed yet.
    inner: list[Entry] = []
    pending: list[Entry] = []
    for entry in filled:
        if group and _continues(group[-1], entry, is_punctuated):
            group.append(entry)
            inner += pending
            pending = []
        elif group and len(pending) < _MAX_BACK_CHANNELS and _is_passed_over(group[-1], entry):
            pending.append(entry)
        else:
            runs += _closed(group, inner)
            is_turn = bool(pending) and pending[-1].speaker == entry.speaker
            runs += _closed([], pending[:-1] if is_turn else pending)
            group = [pending[-1], entry] if is_turn else [entry]
            inner, pending = [], []
    return [*runs, *_closed(group, [*inner, *pending])]


def _is_silent(entry: Entry) -> bool:
    words = entry.text.text.strip()
    return not words or (entry.is_spoken and _SOUND.fullmatch(words) is not None)


def _closed(group: Sequence[Entry], others: Iterable[Entry]) -> list[Run]:
    runs = [_run(group)] if group else []
    return runs + [_run([entry]) for entry in others]


def _run(group: Sequence[Entry]) -> Run:
    first, last = group[0], group[-1]
    text = first.text
    if len(group) > 1:
        builder = MappedTextBuilder(text.source)
        for entry in group:
            words = _stripped(entry.text)
            if len(builder):
                builder.insert("" if words.text[0] in _JOINED_MARKS else " ")
            builder.append(words)
        text = builder.build()
    return Run(text, first.speaker, first.start_time, last.end_time, first.section)


def _stripped(text: MappedText) -> MappedText:
    words = text.text
    start = len(words) - len(words.lstrip())
    end = len(words.rstrip())
    return text if end - start == len(words) else text.part(start, end)


def _continues(previous: Entry, entry: Entry, is_punctuated: bool) -> bool:
    """True if the entry goes on with the speech of the previous one."""
    if not (previous.is_spoken and entry.is_spoken) or entry.is_separate or previous.is_separate:
        return False
    if previous.section != entry.section or not _is_same_speaker(previous, entry):
        return False
    is_open, goes_on = _is_open(previous), bool(_GOES_ON.match(entry.text.text))
    if entry.is_continuation:
        return goes_on or not is_open
    pause = _pause(previous, entry)
    longest = _LONG_PAUSE if entry.speaker is None else _TURN_PAUSE
    if pause is not None and pause > longest and (is_open or entry.speaker is None):
        return False
    if is_punctuated:
        return not is_open or goes_on or not _opens_sentence(entry)
    return goes_on and (pause is None or pause <= _SENTENCE_PAUSE)


def _is_same_speaker(previous: Entry, entry: Entry) -> bool:
    """Captions name the speaker once: an unnamed entry within a sentence has the same one."""
    if entry.speaker is None and previous.speaker is not None:
        return _is_open(previous)
    return entry.speaker == previous.speaker


def _pause(previous: Entry, entry: Entry) -> float | None:
    """Seconds between the entries. An end that is set to the next start may be too late."""
    if previous.start_time is None or previous.end_time is None or entry.start_time is None:
        return None
    words = len(previous.text.text.split())
    longest = max(_SHORTEST_ENTRY, _SLOWEST_WORD * words)
    return entry.start_time - min(previous.end_time, previous.start_time + longest)


def _is_open(entry: Entry) -> bool:
    """True if the entry ends within a sentence."""
    return entry.text.text.rstrip(_CLOSERS)[-1:] not in _MARKS


def _opens_sentence(entry: Entry) -> bool:
    """True for a capital "The" or "So": within a sentence, only names and "I" are capitalised."""
    word = _FIRST_WORD.match(entry.text.text)
    if word is None or (len(word[1]) > 1 and word[1].isupper()):
        return False
    return word[1].lower() in _OPENERS


def _is_passed_over(previous: Entry, entry: Entry) -> bool:
    if not entry.is_spoken or entry.speaker == previous.speaker or not _is_open(previous):
        return False
    words = entry.text.text.strip()
    return len(words) <= _LONGEST_BACK_CHANNEL and bool(_BACK_CHANNEL.fullmatch(words))


def _is_punctuated(entries: Sequence[Entry]) -> bool:
    words = sum(len(entry.text.text.split()) for entry in entries if entry.is_spoken)
    marks = sum(
        len(_SENTENCE_MARK.findall(entry.text.text)) for entry in entries if entry.is_spoken
    )
    return marks * _WORDS_PER_MARK >= words
