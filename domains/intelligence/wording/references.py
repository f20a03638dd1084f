"""The noun that the pronoun at the front of a title refers to, where the text leaves no doubt."""

from collections.abc import Sequence
from typing import Final

from domains.intelligence.text.words import word_set
from domains.intelligence.wording.cleaning import WORD, clean, forms
from domains.intelligence.wording.languages import LANGUAGES

# For each language and pronoun, the determiners of the nouns that it can stand for. Spanish and
# Italian use subject pronouns for people only.
_PRONOUNS: Final = {
    "en": {"it": "the our your my this that a an", "they": "the our your my these those"},
    "de": {"er": "der mein unser euer dieser", "sie": "die meine unsere eure diese"},
    "fr": {"il": "le un mon notre votre ce cet", "elle": "la une ma cette",
           "ils": "les mes nos vos ces", "elles": "les mes nos vos ces"},
    "pt": {"ele": "o um meu nosso esse este", "ela": "a uma minha nossa essa esta",
           "eles": "os meus nossos esses estes", "elas": "as minhas nossas essas estas"},
    "nl": {"hij": "de deze onze mijn"},
}  # fmt: skip
_PLURAL: Final = word_set("they ils elles eles elas")
# A title with one of these can have a pronoun that stands for no noun ("it takes a day to ...").
_EMPTY: Final = word_set(
    """to that if when like because how what where until since who me us i my day days time why
    than faut y s'agit manque reste que qu qui d de dass wenn est suffit arrive semble paraît
    sind haben können waren hatten müssen wollen sollen werden gehen"""
)
_PEOPLE: Final = word_set(
    """wife husband boss son daughter mother father mum dad manager colleague friend guy man woman
    people men women kids children customers clients users guests members drivers parents staff"""
)
_TOPIC: Final = word_set("about über over sur sobre")


def meant(title: str, before: Sequence[str], language: str) -> str | None:
    """The noun phrase that the pronoun at the front of a title refers to, or None if unclear.

    It is the subject of the nearest sentence or its only noun, and the only noun with an article.
    """
    words, pronouns = LANGUAGES[language], _PRONOUNS.get(language, {})
    first, *rest = [forms(word) for word in WORD.findall(title)] or [frozenset[str]()]
    pronoun = next((form for form in sorted(first) if form in pronouns), None)
    if pronoun is None or len(rest) < 2 or rest[0] & words.determiners:
        return None
    if any(word & _EMPTY for word in rest):
        return None
    nearest = next((sentence for sentence in reversed(before) if WORD.search(sentence)), "")
    said = WORD.findall(clean(nearest[-500:], language))[:40]
    told = [forms(word) for word in said]
    known = words.hanging | words.subjects | words.verbs
    articles = [at for at, word in enumerate(told) if word & words.determiners]
    if len(articles) != 1 or not told[articles[0]] & word_set(pronouns[pronoun]):
        return None
    start = articles[0] + 1
    end = next((at for at in range(start, len(told)) if told[at] & known), len(told))
    nouns, last = said[start:end], said[end - 1]
    # The subject of the sentence, or the only word that is no function word, after a verb.
    subject = start == 1 and end < len(said) and told[end] & words.verbs
    alone = end == len(said) and all(word & known for word in told[:start])
    led = start == 1 or told[start - 2] & (words.verbs | _TOPIC)
    if not (subject or (alone and led)) or not 1 <= len(nouns) <= 2 or told[end - 1] & _PEOPLE:
        return None
    named = any(word[0].isupper() and word[:2] not in ("I", "I'") for word in said[1:start])
    plural = last.endswith("s") and not last.endswith(("ss", "us"))
    counted = language not in ("de", "nl") and plural != (pronoun in _PLURAL)
    if named or counted or (language == "en" and last.endswith(("ed", "ing", "ly"))):
        return None
    return " ".join(nouns)
