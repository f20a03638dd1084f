"""Japanese phrases of dates. Kanji numerals become digits before the search."""

import re
from typing import Final

from domains.intelligence.dialogue.dates.grammar import fold

_KANJI: Final = "〇一二三四五六七八九"
_NUMERAL: Final = re.compile(f"[{_KANJI}十]{{1,4}}")
_BLANK: Final = re.compile(r"(?<=\D) | (?=\D)")


def with_digits(text: str) -> str:
    """Text in half-width characters, numerals as digits, without blanks: 二十三日 is 23日."""
    return _NUMERAL.sub(_digits, _BLANK.sub("", fold(text)))


def _digits(match: re.Match[str]) -> str:
    tens, ten, ones = match[0].partition("十")
    if not ten or "十" in ones or len(tens) > 1 or len(ones) > 1:
        return "".join(str(_KANJI.find(each)) if each != "十" else each for each in match[0])
    value = (_KANJI.find(tens) if tens else 1) * 10 + (_KANJI.find(ones) if ones else 0)
    return str(value)


JAPANESE: Final = r"""
days       月曜日? 火曜日? 水曜日? 木曜日? 金曜日? 土曜日? 日曜日?
numbers    [1１]
suffix     (?!\d)
ordinals   ついたち
units      日 週間?(?!末) (?:[かヶヵカケ個箇]?月) 四半期 年 営業日 時間 分間? 週末
aheads     今|この|今度の 来|翌 再来
parts      の?末|中(?!旬|頃|ごろ)|いっぱい|の?(?:終わり|おわり|後半|うち)
           の?(?:半ば|なかば|中頃|中ごろ|中旬)
           の?(?:初め|はじめ|前半|頭|あたま|早々|上旬)
by         遅くとも
<time>     (?:の?(?:朝|午前中?|正午|昼|お昼|午後|夕方|夜|夕刻|営業終了|終業)(?:\d{1,2}時)?)?
latest     (?:<time>(?:まで|迄))
nothing    (?:先週|先々週|前回|この前|前|毎週|毎)の?<day>
nothing    (?:先月|毎月)の?<d>日|\d{1,2}[、,]\d{1,2}日
nothing    [本今]日は(?:どうも|誠に|お忙し|お時間|ありがと|貴重)
nothing    [本今]日の(?:ところ|お?話|打ち合わせ|会議)
+0         (?:今日|本日|きょう|今夜|今晩|今夕|この後すぐ|このあとすぐ|今すぐ)(?:中|じゅう)?
+1         (?:明日|あした|みょうにち|(?<![まですく])あす)(?:中|じゅう)?
+2         (?:明後日|あさって)(?:中)?
+3         しあさって|明々後日
distance   (?P<number>\d{1,3})<unit>(?:後|以内|のうち|先)
+7         来週の(?:今日|本日)
day        (?:(?:今度|次|次回|この)の?|今週の?)?<day>中?
day        <ahead>週の?<day>中?
day        週明け
period     <ahead><unit><part>?
period     <unit><part>
period     (?P<unit>週末)
period     (?P<unit>[年月])[内末]
month      <m>月<part>
date       (?:<year>年)?<m>月<d>日?(?:の?\(?(?:<day>|.)\)?)?
date       <year>[-/]<m>[-/]<d>
date       <m>/<d>
nth        (?:<ahead>月の?)?<d>日(?:の?<day>)?(?![間後以前中目本ほく])
"""
