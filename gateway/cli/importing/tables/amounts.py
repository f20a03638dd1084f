"""Read amounts of money as people and systems write them."""

import functools
import math
import re
from typing import Final, NamedTuple

from gateway.cli.importing.tables.vocabulary import words

_MAX_LENGTH: Final = 64

# Codes of ISO 4217, and abbreviations that stand for a currency.
_CODES: Final = words(
    """
AED AFN ALL AMD ANG AOA ARS AUD AWG AZN BAM BBD BDT BGN BHD BIF BMD BND BOB BRL BSD BTN BWP BYN BZD
CAD CDF CHF CLF CLP CNY COP CRC CUP CVE CZK DJF DKK DOP DZD EGP ERN ETB EUR FJD FKP GBP GEL GHS GIP
GMD GNF GTQ GYD HKD HNL HTG HUF IDR ILS INR IQD IRR ISK JMD JOD JPY KES KGS KHR KMF KPW KRW KWD KYD
KZT LAK LBP LKR LRD LSL LYD MAD MDL MGA MKD MMK MNT MOP MRU MUR MVR MWK MXN MYR MZN NAD NGN NIO NOK
NPR NZD OMR PAB PEN PGK PHP PKR PLN PYG QAR RON RSD RUB RWF SAR SBD SCR SDG SEK SGD SHP SLE SOS SRD
SSP STN SVC SYP SZL THB TJS TMT TND TOP TRY TTD TWD TZS UAH UGX USD UYU UZS VED VES VND VUV WST XAF
XCD XOF XPF YER ZAR ZMW ZWG CNH RMB HRK KR KČ ZŁ FT LEI RS FR SFR R RM RP TL 円 元
"""
)
# Letters before a currency sign, as in US$ and R$.
_COUNTRIES: Final = "US A AU C CA NZ HK S SG MX R NT Z J"
_SIGN: Final = "[$¢£¤¥฿₠-\u20c0﷼]"
_CURRENCY: Final = (
    rf"(?:(?:{'|'.join(sorted(_CODES))})\.?(?:\s?{_SIGN})?"
    rf"|(?:{_COUNTRIES.replace(' ', '|')})?{_SIGN})"
)
_FORM: Final = re.compile(
    rf"(?P<minus>-)?\s?(?:{_CURRENCY}\s?)?(?P<second>-)?\s?(?P<number>[0-9.,' ]*[0-9.,])"
    rf"(?P<exponent>E[+-]?[0-9]{{1,3}})?(?P<third>-)?(?:\s?{_CURRENCY})?(?P<fourth>-)?",
    re.IGNORECASE,
)
_PARENTHESES: Final = re.compile(rf"({_CURRENCY}\s?)?\(([^()-]*)\)(\s?{_CURRENCY})?", re.IGNORECASE)
_CHARACTERS: Final = str.maketrans(
    dict(zip("＄￡￥￦", "$£¥₩", strict=True))
    | dict.fromkeys("\u2212\u2013\u2014\ufe63\uff0d", "-")
    | dict.fromkeys("\u2019\u02bc\u00b4`", "'")
)
# The dash for "no cents", as in 5,- and 1.234,--.
_NO_CENTS: Final = re.compile(r"(?<=[0-9][.,])--?(?![0-9])")
# Amounts that most exports write: their decimal sign is clear.
_PLAIN: Final = re.compile(r"-?[0-9]{1,15}(?:\.[0-9]{1,2})?")
_AMERICAN: Final = re.compile(r"\$?([1-9][0-9]{0,2}(?:,[0-9]{3}){1,4}\.[0-9]{2})")


def _number(group: str, decimal: str, more: str = "") -> re.Pattern[str]:
    whole = rf"[0-9]+|[1-9][0-9]{{0,2}}(?:([{group}' ])[0-9]{{3}})(?:\1[0-9]{{3}})*{more}"
    return re.compile(rf"(?:{whole})(?:{decimal}[0-9]*)?|{decimal}[0-9]+")


_POINT: Final = _number(",", r"\.", "|[1-9][0-9]?(?:,[0-9]{2})+,[0-9]{3}")
_COMMA: Final = _number(".", ",")
_SCIENTIFIC: Final = re.compile(r"[0-9]+(?:[.,][0-9]*)?")


class AmountReadings(NamedTuple):
    """Values of a text if the decimal sign is the point, and if it is the comma.

    None: the text is not an amount in this reading. At least one is a number.
    """

    point: float | None
    comma: float | None


def read_amount(text: str) -> AmountReadings:
    """Read an amount, which may have a currency and any usual grouping of digits.

    Raises ValueError if it is none.
    """
    if _PLAIN.fullmatch(text):
        value = float(text)
        return AmountReadings(value, None if "." in text else value)
    if match := _AMERICAN.fullmatch(text):
        return AmountReadings(float(match[1].replace(",", "")), None)
    return _read_any(text)


@functools.lru_cache(maxsize=4096)
def _read_any(text: str) -> AmountReadings:
    if len(text) > _MAX_LENGTH:
        raise ValueError
    text = " ".join(text.translate(_CHARACTERS).split())
    text = _NO_CENTS.sub("", text.removeprefix("+"))
    negative = False
    if match := _PARENTHESES.fullmatch(text):
        negative = True
        text = f"{match[1] or ''}{match[2].strip()}{match[3] or ''}"
    match = _FORM.fullmatch(text)
    if match is None:
        raise ValueError
    signs = sum(match[name] is not None for name in ("minus", "second", "third", "fourth"))
    if signs + negative > 1:
        raise ValueError
    point, comma = _values(match["number"], match["exponent"] or "")
    if point is None and comma is None:
        raise ValueError
    sign = -1.0 if signs or negative else 1.0
    return AmountReadings(*(None if value is None else sign * value for value in (point, comma)))


def _values(digits: str, exponent: str) -> tuple[float | None, float | None]:
    if exponent:
        # There is no grouping before an exponent, so that a separator is the decimal sign.
        if not _SCIENTIFIC.fullmatch(digits):
            return None, None
        value = _finite(digits.replace(",", ".") + exponent)
        return (None if "," in digits else value), (None if "." in digits else value)
    point = comma = None
    if _POINT.fullmatch(digits):
        point = _finite(re.sub("[,' ]", "", digits))
    if _COMMA.fullmatch(digits):
        comma = _finite(re.sub("[.' ]", "", digits).replace(",", "."))
    return point, comma


def _finite(text: str) -> float | None:
    value = float(text)
    return value if math.isfinite(value) else None
