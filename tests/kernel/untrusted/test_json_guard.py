"""Checks of JSON texts: nesting, strings and UTF-8, whatever the pieces in which they are read."""

import json
from typing import Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domains.kernel.untrusted import json_guard

_PARTS: Final = (
    b'"',
    b"\\",
    b"[",
    b"]",
    b"{",
    b"}",
    b"a",
    b"\xc3\xa9",
    b"\xc3",
    b"\xf0\x9f\x99\x8f",
)

texts = st.lists(st.sampled_from(_PARTS), max_size=60).map(b"".join)


@given(text=texts, piece=st.integers(4, 20))
def test_the_size_of_the_pieces_changes_nothing(text: bytes, piece: int) -> None:
    # More brackets than any text may nest, so that strings are removed from every text.
    padded = b"[]" * json_guard.MAX_DEPTH + text
    expected = json_guard.find_json_error(padded)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(json_guard, "_PIECE", piece)
        assert json_guard.find_json_error(padded) == expected


@pytest.mark.parametrize("length", [10, json_guard._PIECE, 3 * json_guard._PIECE])
def test_brackets_in_strings_do_not_count(length: int) -> None:
    text = json.dumps([["[{", '\\"[{'], ["é[" * length], *[[]] * json_guard.MAX_DEPTH])
    assert json_guard.find_json_error(text.encode()) is None


@pytest.mark.parametrize(
    ("depth", "accepted"), [(json_guard.MAX_DEPTH, True), (json_guard.MAX_DEPTH + 1, False)]
)
def test_nesting_is_limited_behind_a_long_string(depth: int, accepted: bool) -> None:
    inner = depth - 1
    text = b'["' + b"a" * 2 * json_guard._PIECE + b'",' + b"[" * inner + b"]" * inner + b"]"
    assert (json_guard.find_json_error(text) is None) is accepted
