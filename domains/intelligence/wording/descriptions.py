"""Descriptions of findings and texts of next steps, with the speaker's words as a quotation."""

import re
from collections.abc import Sequence
from datetime import date
from typing import Final, Literal, get_args

from domains.intelligence.findings import Profile
from domains.intelligence.wording.cleaning import INVISIBLE
from domains.intelligence.wording.languages import code
from domains.intelligence.wording.titles import ellipsis, own_words

Occasion = Literal["conversation", "ticket", "review", "report", "feedback", "text"]

OCCASIONS: Final[dict[Profile, Occasion]] = {
    "transcript": "conversation",
    "support_ticket": "ticket",
    "survey_response": "review",
    "discovery_report": "report",
    "feedback_record": "feedback",
    "raw": "text",
}
"""Occasion on which a document of each profile was said or written. A transcript may be that of a
call, a chat or an interview."""

LONGEST_DESCRIPTION: Final = 500
LONGEST_STEP: Final = 160
_LONGEST_NAME: Final = 50

# Speaker and quotation, the unknown speaker, a due date, who said it, then the
# occasions in order.
_TABLES: Final = {
    "en": ("{} {}: “{}”|Customer| (due {})| (said by {})|"
           "in a conversation|in a ticket|in a review|in a report|"
           "in feedback|in a text"),
    "de": ("{} {}: „{}“|Kunde| (bis {})| (sagt {})|"
           "in einem Gespräch|in einem Ticket|in einer Bewertung|in einem Bericht|"
           "in einem Feedback|in einem Text"),
    "fr": ("{} {} : « {} »|Client| (d'ici le {})| (dit par {})|"
           "dans une conversation|dans un ticket|dans un avis|dans un rapport|"
           "dans un retour|dans un texte"),
    "es": ("{} {}: «{}»|Cliente| (para el {})| (dicho por {})|"
           "en una conversación|en un tique|en una reseña|en un informe|"
           "en un comentario|en un texto"),
    "pt": ("{} {}: “{}”|Cliente| (até {})| (dito por {})|"
           "em uma conversa|em um chamado|em uma avaliação|em um relatório|"
           "em um feedback|em um texto"),
    "it": ("{} {}: «{}»|Cliente| (entro il {})| (detto da {})|"
           "in una conversazione|in un ticket|in una recensione|in un rapporto|"
           "in un commento|in un testo"),
    "nl": ("{} {}: “{}”|Klant| (uiterlijk {})| (gezegd door {})|"
           "in een gesprek|in een ticket|in een recensie|in een rapport|"
           "in feedback|in een tekst"),
    "ja": ("{}（{}）：「{}」|お客様|（期限：{}）|（{}の発言）|"
           "会話|問い合わせ|レビュー|報告書|フィードバック|テキスト"),
}  # fmt: skip
_OCCASION_ORDER: Final[tuple[Occasion, ...]] = get_args(Occasion)

_PROMISE: Final = re.compile(
    r"\b(?:I|we)(?:['’]ll|\s+will)\s+(?!not\b|never\b)(?=\w)", re.IGNORECASE
)
_STRAY: Final = "»”’)]→ "
"""Marks that close what an earlier sentence opened."""
_WRAPPED: Final = re.compile(r"^[\"“„«「]\s?([^\"“”„«»「」]*?)\s?[\"”“»」]$")


def description(
    quote_sentences: Sequence[str], speaker: str | None, occasion: Occasion, language: str | None
) -> str:
    """Return speaker, occasion and the quoted sentences, at most 500 characters.

    Sentences that do not fit are left out from the end; the first one is cut at a word.
    """
    form, customer, _, _, *occasions = _TABLES[code(language)].split("|")
    who, where = _name(speaker) or customer, occasions[_OCCASION_ORDER.index(occasion)]
    room = LONGEST_DESCRIPTION - len(form.format(who, where, ""))
    said = ""
    for number, sentence in enumerate(quote_sentences, 1):
        words = _WRAPPED.sub(r"\1", _one_line(sentence[: 2 * room]).lstrip(_STRAY))
        # The sentences need not be neighbours.
        longer = f"{said} … {words}" if said else words
        if len(longer) + 2 * (number < len(quote_sentences)) > room:
            said = f"{said} …" if said else ellipsis(longer, room, code(language))
            break
        said = longer
    return form.format(who, where, said)


def step(
    sentence: str,
    speaker: str | None,
    owner: str | None,
    due: date | None,
    language: str | None,
) -> str:
    """Return the text of a next step: its owner, the words said, and the due date in ISO form.

    At most 160 characters. If another person said it, the text ends with the name. Where an English
    sentence has "I'll" or "we will", its words begin with "will". The owner's name at the beginning
    of the sentence is left out.
    """
    sentence = _without_call(sentence, owner)
    tongue = code(language)
    _, _, due_form, said_form, *_ = _TABLES[tongue].split("|")
    after = due_form.format(due.isoformat()) if due else ""
    who, said_by = _name(owner), _name(speaker)
    if who and said_by and said_by != who:
        after += said_form.format(said_by)
    before = f"{who}：" if who and tongue == "ja" else f"{who}: " if who else ""
    promise = _PROMISE.search(sentence[:1000]) if tongue == "en" else None
    if promise is not None:
        sentence = f"will {sentence[promise.end() :]}"
    words = own_words(sentence, tongue, LONGEST_STEP - len(before) - len(after))
    if promise is not None and who:
        words = words[:1].lower() + words[1:]
    return before + words + after


def _without_call(sentence: str, name: str | None) -> str:
    """Return the sentence without a name by which it addresses somebody, as in "Ana, could you"."""
    called, _, rest = sentence.partition(",")
    is_call = bool(rest.strip()) and called.strip() in (name, *(name or "").split())
    return rest.lstrip() if is_call else sentence


def _name(name: str | None) -> str:
    return _one_line((name or "")[:_LONGEST_NAME])


def _one_line(text: str) -> str:
    return " ".join(INVISIBLE.sub(" ", text).split())
