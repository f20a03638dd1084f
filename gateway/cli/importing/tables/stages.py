"""Recognise the stages of closed deals by their usual names."""

import functools
import re
from typing import Final

from gateway.cli.importing.tables.vocabulary import plain, words

# English, German, French, Spanish, Italian, Portuguese and Dutch, without accents.
_CLOSED: Final = words(
    "closed geschlossen abgeschlossen cloture cloturee ferme fermee conclu conclue cerrado cerrada"
    " cierre chiuso chiusa fechado fechada gesloten afgesloten"
)
_OUTCOMES: Final = words(
    "won lost gewonnen verloren gagne gagnee perdu perdue ganado ganada perdido perdida ganho ganha"
    " vinto vinta perso persa"
)
_JOINED: Final = frozenset(("closedwon", "closedlost"))
_DEALS: Final = words(
    "deal opportunity geschaft abschluss chance affaire opportunite negocio oportunidad"
)
_FILLERS: Final = words("and und et y e en as")
# Words of stages that may be an end, which is not always recorded as closed.
_UNCLEAR: Final = words(
    "abandoned archived cancelled canceled complete completed churned dead declined disqualified"
    " done duplicate ended expired finished inactive rejected signed unqualified withdrawn"
)
_WORD: Final = re.compile(r"[a-z']+")
# What may follow an outcome: the end, or a mark before more details.
_DETAILS: Final = re.compile(r"\s*(?:$|[-\u2013\u2014:/|,;(\[0-9])")


@functools.lru_cache(maxsize=1000)
def is_closed(stage: str) -> bool | None:
    """Return True for a won or lost stage and False for an open one. None: it is not clear."""
    text = plain(stage)
    found = [match for match in _WORD.finditer(text) if match[0] not in _FILLERS]
    named = [match[0] for match in found]
    if not named:
        return None
    outcome = 1 if len(named) > 1 and named[0] in _CLOSED | _DEALS else 0
    if named[0] in _JOINED or (len(named) == 1 and named[0] in _CLOSED - {"cierre"}):
        return True
    if named[outcome] in _OUTCOMES:
        follows_closed = outcome == 1 and named[0] in _CLOSED
        if follows_closed or _DETAILS.match(text, found[outcome].end()):
            return True
    return None if not _UNCLEAR.union(_OUTCOMES, _CLOSED).isdisjoint(named) else False
