"""JSON values kept as sent: decoded in pieces and checked without their objects."""

import json
import tracemalloc
from typing import Any, Final

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import Raw

from domains.kernel.untrusted import json_guard, raw_json

_TEXTS: Final = st.text(st.characters(exclude_categories=["Cs"]), max_size=80)
_OBJECT: Final = msgspec.json.Decoder(dict[str, Any])
_NUMBERS: Final = (
    *("0", "-1.5", "1e99", "1E-400", "1e300", "1e308", "-1e308", "9" * 199, "9" * 308, "9" * 4000),
    *("1e309", "-1e400", "1E+0400", "9" * 309 + ".0", "9" * 250 + "e99", "9" * 4400),
)


@given(text=_TEXTS, is_ascii=st.booleans(), piece=st.integers(1, 20))
def test_a_string_is_decoded_in_pieces(text: str, is_ascii: bool, piece: int) -> None:
    value = Raw(json.dumps(text, ensure_ascii=is_ascii).encode())
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(raw_json, "_PIECE", piece)
        assert "".join(raw_json.string_pieces(value)) == text
        assert raw_json.string_to_utf8(value) == text.encode()


@pytest.mark.parametrize("number", _NUMBERS)
@pytest.mark.parametrize("padding", range(4))
def test_numbers_out_of_range_are_refused_as_if_they_were_decoded(
    number: str, padding: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(json_guard, "_PIECE", 5 + padding)
    value = Raw(f'{{"a": "x", "b": [{number}, "1e999"]}}'.encode())
    expected = None
    try:
        _OBJECT.decode(value)
    except msgspec.ValidationError as error:
        expected = str(error).partition(" - at")[0] + " - at `$.data`"
    found = None
    try:
        raw_json.check_object(value, _OBJECT, "data")
    except ValueError as error:
        found = str(error)
    assert found == expected


def test_numbers_in_strings_are_no_reason_to_decode() -> None:
    hashes = b'{"hash": "a3e100b", "digits": "' + b"7" * 5000 + b'"}'
    assert not json_guard.has_large_number(memoryview(hashes))


def test_a_check_takes_little_memory() -> None:
    records = b",".join([b'{"id": 7, "tags": ["a", "b"], "hash": "1e100"}'] * 200_000)
    value = Raw(b'{"records": [' + records + b"]}")
    tracemalloc.start()
    raw_json.check_object(value, _OBJECT, "data")
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < len(value)
