"""Builds letter_models.txt from the translations of the Django wheel (BSD-3-Clause).

`python -m domains.kernel.untrusted.encodings.build_models FOLDER`, where FOLDER is an unpacked
wheel. Only counts of letters are stored, no text.
"""

import ast
import itertools
import math
import re
import sys
import unicodedata
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from domains.kernel.untrusted.encodings.letter_models import (
    FILE,
    MAX_LEVEL,
    NATS_PER_LEVEL,
    decompose_tones,
    is_letter,
    level_to_char,
)

# Languages by the name of their folder.
_ALPHABETIC: Final = (
    "ar az be bg ca cs da de el en es et fa fi fr ga he hr hu is it lt lv mk nb nl pl pt ro ru sk "
    "sl sq sr sr_Latn sv th tr uk vi"
)
_NOT_LATIN: Final = "ar be bg el fa he mk ru sr th uk"
_IDEOGRAPHIC: Final = ("ja", "ko", "zh_Hans", "zh_Hant")

# Letters beyond ASCII of the languages, which the translations may lack.
_LETTERS: Final = {
    "ca": "àçèéíïòóúü",
    "cs": "áčďéěíňóřšťúůýž",
    "da": "æøåé",
    "de": "äöüß",
    "el": "αβγδεζηθικλμνξοπρσςτυφχψωάέήίόύώϊϋΐΰ",
    "en": "éèïöç",
    "es": "áéíñóúü",
    "et": "äõöüšž",
    "fi": "äöå",
    "fr": "àâæçéèêëîïôœùûü",
    "ga": "áéíóú",
    "he": "אבגדהוזחטיךכלםמןנסעףפץצקרשת",
    "hr": "čćđšž",
    "hu": "áéíóöőúüű",
    "is": "áðéíóúýþæö",
    "it": "àèéìíîòóù",
    "lt": "ąčęėįšųūž",
    "lv": "āčēģīķļņšūž",
    "nb": "æøåéòô",
    "nl": "éëïóöü",
    "pl": "ąćęłńóśźż",
    "pt": "áâãàçéêíóôõúü",
    "ro": "ăâîşţ",
    "ru": "ёъэ",
    "sk": "áäčďéíĺľňóôŕšťúýž",
    "sl": "čšž",
    "sv": "äöåé",
    "tr": "çğıöşüâîû",
    "uk": "ґєіїщьюя",
}

# Letters that the old encodings do not have, as the letters that were used instead.
_SUBSTITUTES: Final = str.maketrans("șțȘȚیİ", "şţŞŢيi")

# A letter is part of the alphabet if it is this frequent, and then counts as at least so frequent.
_MIN_FREQUENCY: Final = 1e-4
_MIN_NATIVE_FREQUENCY: Final = 5e-4
_MAX_CHARACTERS: Final = 900


def _translations(folder: Path, language: str) -> Iterator[str]:
    """Iterate over the translated messages; over the originals for English."""
    keyword = "msgid" if language == "en" else "msgstr"
    for path in sorted(folder.glob(f"django/**/locale/{language}/LC_MESSAGES/*.po")):
        text = path.read_text(encoding="utf-8")
        entries = re.findall(rf'^{keyword}[^"\n]*((?:"(?:[^"\\]|\\.)*"\n)+)', text, re.MULTILINE)
        # The first entry is the header.
        for entry in entries[1:]:
            message = "".join(ast.literal_eval(line) for line in entry.splitlines())
            yield re.sub(r"%\(\w+\)s|%[a-z]|\{\w*\}|</?\w+[^>]*>", " ", message)


def _pair_line(language: str, text: str) -> str:
    text = text.lower()
    if language == "vi":
        # Windows-1258 has some letters with their tone mark. Both spellings occur.
        text = f"{decompose_tones(text, all_letters=False)} {decompose_tones(text)}"
    if language in _NOT_LATIN.split():
        text = re.sub("[a-z]", " ", text)
    text = re.sub(" +", " ", "".join(char if is_letter(char) else " " for char in text))
    singles = Counter(text)
    total = singles.total()
    for letter in _LETTERS.get(language, ""):
        singles[letter] = max(singles[letter], round(_MIN_NATIVE_FREQUENCY * total))
    letters = [
        char
        for char, count in singles.most_common()
        if char != " " and count >= _MIN_FREQUENCY * total
    ]
    alphabet = " " + "".join(letters)
    pairs = Counter(itertools.pairwise(text))
    levels = []
    for first in alphabet:
        row = sum(pairs[first, second] for second in alphabet)
        for second in alphabet:
            if first == second == " ":
                levels.append(0)
                continue
            # Smoothed by the frequency of the second letter.
            expected = singles[second] / total
            probability = (pairs[first, second] + 5 * expected) / (row + 5)
            levels.append(min(round(-math.log(probability) / NATS_PER_LEVEL), MAX_LEVEL))
    return "\t".join(("pairs", language, alphabet, "".join(map(level_to_char, levels))))


def _character_line(language: str, text: str) -> str:
    counts = Counter(char for char in unicodedata.normalize("NFC", text) if not char.isascii())
    total = counts.total()
    common = counts.most_common(_MAX_CHARACTERS)
    levels = [
        min(round(-math.log(count / total) / NATS_PER_LEVEL), MAX_LEVEL) for _, count in common
    ]
    characters = "".join(char for char, _ in common)
    return "\t".join(("characters", language, characters, "".join(map(level_to_char, levels))))


def main(folder: Path) -> None:
    lines = [
        "# Frequencies of letter pairs and of characters, counted by build_models.py in the",
        "# translations of Django 5.2, Copyright (c) Django Software Foundation, BSD-3-Clause.",
    ]
    for language in (*_ALPHABETIC.split(), *_IDEOGRAPHIC):
        text = "\n".join(_translations(folder, language)).translate(_SUBSTITUTES)
        build = _pair_line if language not in _IDEOGRAPHIC else _character_line
        lines.append(build(language, text))
    FILE.write_text("\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
