"""Detection of encodings: a paragraph in each code page, short texts, hostile bytes."""

import contextlib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domains.kernel.untrusted.documents.charset import decode, detect_encoding
from domains.kernel.untrusted.documents.reader_process import ReadError
from domains.kernel.untrusted.encodings.letter_models import decompose_tones

# By language: paragraphs of 300 characters or more about the same call.
FOLDER = Path(__file__).parent
PARAGRAPHS = dict(
    line.split(": ", 1)
    for line in (FOLDER / "paragraphs.txt").read_text(encoding="utf-8").splitlines()
)
# A sentence or two about another subject in each language, after the encodings.
SENTENCES = [
    (encoding, text)
    for line in (FOLDER / "sentences.txt").read_text(encoding="utf-8").splitlines()
    for encodings, text in [line.split(": ", 1)]
    for encoding in encodings.split()
]

LANGUAGES = {
    "cp1250": "polish czech slovak hungarian romanian croatian slovenian german",
    "iso8859-2": "polish czech slovak hungarian romanian croatian slovenian",
    "cp852": "polish czech hungarian",
    "cp1251": "russian ukrainian bulgarian serbian",
    "koi8-r": "russian",
    "koi8-u": "ukrainian",
    "cp866": "russian bulgarian",
    "iso8859-5": "russian bulgarian serbian",
    "mac-cyrillic": "russian ukrainian",
    "cp1252": "german french spanish portuguese italian swedish danish norwegian finnish icelandic",
    "iso8859-15": "german french finnish",
    "mac-roman": "german french spanish portuguese italian swedish danish",
    "cp850": "german french spanish portuguese swedish danish",
    "cp437": "german french spanish swedish",
    "cp1253": "greek",
    "iso8859-7": "greek",
    "cp737": "greek",
    "cp1254": "turkish",
    "iso8859-9": "turkish",
    "cp1255": "hebrew",
    "iso8859-8": "hebrew",
    "cp862": "hebrew",
    "cp1256": "arabic",
    "iso8859-6": "arabic",
    "cp1257": "lithuanian latvian estonian",
    "iso8859-13": "lithuanian latvian estonian",
    "cp1258": "vietnamese",
    "tis-620": "thai",
    "cp874": "thai",
    "cp932": "japanese",
    "euc-jp": "japanese",
    "iso2022-jp": "japanese",
    "cp949": "korean",
    "iso2022-kr": "korean",
    "gb18030": "simplified",
    "gbk": "simplified",
    "hz": "simplified",
    "big5": "traditional",
}
PAIRS = [(encoding, name) for encoding, names in LANGUAGES.items() for name in names.split()]


def in_code_page(text: str, encoding: str) -> str:
    return decompose_tones(text, all_letters=False) if encoding == "cp1258" else text


def paragraph(encoding: str, language: str) -> str:
    return in_code_page(PARAGRAPHS[language], encoding)


@pytest.mark.parametrize(("encoding", "language"), PAIRS)
def test_a_paragraph_in_every_code_page(encoding: str, language: str) -> None:
    text = paragraph(encoding, language)
    assert len(text) >= 300
    detected = detect_encoding(text.encode(encoding))
    assert text.encode(encoding).decode(detected.encoding) == text
    assert detected.confidence >= 0.7


@pytest.mark.parametrize(("encoding", "text"), SENTENCES)
def test_sentences_in_every_code_page(encoding: str, text: str) -> None:
    text = in_code_page(text, encoding)
    assert decode(text.encode(encoding)) == text


@pytest.mark.parametrize(
    "template",
    [
        '<html><head><link rel="stylesheet" href="/css/main.css"></head><body><p class="a">{}</p>',
        'id;date;amount;comment\r\n1000;2024-05-01;7.50;"{}"\r\n',
        '{{"customer": "Acme Corp", "status": "open", "notes": ["{}"]}}',
        "Dear team, please find below what the customer wrote to us last week.\n\n{}\n\nRegards",
    ],
)
def test_sentences_within_markup_and_english(template: str) -> None:
    for encoding, sentence in SENTENCES:
        text = template.format(in_code_page(sentence, encoding))
        assert decode(text.encode(encoding)) == text


@given(st.data())
def test_any_200_characters_of_a_paragraph(data: st.DataObject) -> None:
    encoding, language = data.draw(st.sampled_from(PAIRS))
    text = paragraph(encoding, language)
    start = data.draw(st.integers(0, len(text) - 200))
    part = text[start : start + 200]
    assert decode(part.encode(encoding)) == part


@pytest.mark.parametrize(
    ("encoding", "text"),
    [
        ("cp1252", "José"),
        ("cp1252", "Zürich"),
        ("cp1252", "São Paulo"),
        ("cp1252", "name;city\nMüller;Köln\nSchmidt;Berlin\n"),
        ("cp1252", "£100 and £200"),
        ("cp1252", "5 €"),
        ("cp1252", "It’s “fine” — really"),
        ("cp1252", "ÉCOLE FRANÇAISE"),
        ("cp1250", "Wałęsa; Łódź"),
        ("cp1250", "Dvořák, Plzeň"),
        ("cp1251", "Москва"),
        ("cp1251", "ПРИВЕТ ИЗ МОСКВЫ"),
        ("koi8-r", "Привет"),
        ("cp866", "Отправьте счёт ещё раз, пожалуйста."),
        ("cp1253", "Αθήνα"),
        ("cp1254", "Lütfen faturayı yeniden gönderin, teşekkürler."),
        ("cp1255", "שלום עולם"),
        ("cp1256", "أرسلوا لنا الفاتورة مرة أخرى من فضلكم"),
        ("tis-620", "กรุณาส่งใบแจ้งหนี้อีกครั้ง"),
        ("cp932", "株式会社サンプル"),
        ("gbk", "北京市"),
        ("big5", "臺北市"),
        ("cp949", "서울특별시"),
    ],
)
def test_a_few_words(encoding: str, text: str) -> None:
    assert decode(text.encode(encoding)) == text


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be"])
@pytest.mark.parametrize("language", ["german", "russian", "japanese", "thai"])
def test_wide_text_without_a_mark(encoding: str, language: str) -> None:
    text = f"1. {PARAGRAPHS[language]}\n"
    assert detect_encoding(text.encode(encoding)).encoding == encoding


def test_confidence_is_lower_for_a_guess_from_few_letters() -> None:
    assert detect_encoding(b"ascii") == ("utf-8", 1.0)
    assert detect_encoding("жук".encode("koi8-r"), "koi8-r") == ("koi8-r", 1.0)
    assert detect_encoding("\ufeffa".encode()) == ("utf-8-sig", 1.0)
    few = detect_encoding("Münster".encode("cp850"))
    many = detect_encoding(PARAGRAPHS["german"].encode("cp850"))
    assert few.confidence < 0.9 < many.confidence <= 0.99


@pytest.mark.parametrize("encoding", ["utf-8", "cp932", "euc-jp", "utf-16-le"])
def test_sample_may_end_within_a_character(encoding: str) -> None:
    data = f"a, {PARAGRAPHS['japanese']}".encode(encoding)
    detected = {detect_encoding(data[:size]).encoding for size in range(300, 304)}
    assert {name.replace("_", "-") for name in detected} == {encoding}


def test_damaged_utf_8_is_not_read_as_another_encoding() -> None:
    text = PARAGRAPHS["french"]
    damaged = text.encode() + b"\xe9 " + text.encode()
    assert decode(damaged) == f"{text}\ufffd {text}"


@pytest.mark.parametrize(
    ("label", "encoding", "text"),
    [
        ("us-ascii", "koi8-r", "Пришлите счёт ещё раз, пожалуйста."),
        ("gb2312", "gb18030", "朱镕基"),
        ("euc-kr", "cp949", "똠방각하"),
        ("windows-874", "cp874", "ครับ"),
        ("x-sjis", "cp932", "①髙橋"),
        ("ISO-8859-9", "cp1254", "“ğ”"),
        ("Big5", "cp950", "€ 碁"),
    ],
)
def test_declared_encoding_is_read_as_its_superset(label: str, encoding: str, text: str) -> None:
    assert decode(text.encode(encoding), label) == text


HOSTILE = {
    "every byte": bytes(range(32, 256)) * 5_000,
    "one letter": b"\xe9" * 1_000_000,
    "words of one letter": b" \xe9" * 500_000,
    "escapes of ISO-2022": b"\x1b$" * 500_000,
    "escapes of HZ": b"~{" * 500_000 + b"~}",
    "first bytes": b"\x81" * 1_000_000,
    "a letter at the end": b"a" * 1_000_000 + b"\xe9",
    "brackets": b"<meta " * 170_000,
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_bytes_take_linear_time(name: str) -> None:
    # Quadratic time would be minutes.
    detected = detect_encoding(HOSTILE[name])
    assert 0 <= detected.confidence <= 1
    HOSTILE[name].decode(detected.encoding, "replace")


@given(st.binary(max_size=300), st.none() | st.text(max_size=20))
def test_any_bytes_are_decoded_or_refused(data: bytes, declared: str | None) -> None:
    with contextlib.suppress(ReadError):
        assert isinstance(decode(data, declared), str)


@pytest.mark.parametrize("data", [b"\x00\x01\x02\xff" * 99, b"\x01\x02" * 99, bytes(400)])
def test_binary_data_is_refused(data: bytes) -> None:
    with pytest.raises(ReadError):
        decode(data)
