"""The normal form in which texts are compared, in Python and in SQL."""

import time
import unicodedata

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Text, bindparam, func, select

from domains.kernel.core.normal_form import nfc
from domains.kernel.db.database import Database
from domains.kernel.db.statements import Statement, scalar

_SQL = Statement(select(func.nfc(bindparam("text", type_=Text))), scalar)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    text=st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs", "Cn"]))
    | st.text("ae\u0301\u0316\u0344한\u1112\u1161\u11ab", max_size=50)
)
async def test_texts_are_normalized_alike_in_python_and_sql(database: Database, text: str) -> None:
    form = nfc(text)
    assert await database.read.one(_SQL, text=text) == form
    assert form in (unicodedata.normalize("NFC", text), text)


def test_usual_numbers_of_marks_are_sorted() -> None:
    assert nfc("e\u0316\u0301" + "\u0316" * 28) == "\u00e9" + "\u0316" * 29


async def test_texts_of_many_marks_are_unchanged_and_take_no_time(database: Database) -> None:
    text = "a" + "\u0301" * 50_000 + "\u0316" * 50_000
    started = time.monotonic()
    assert nfc(text) == text
    assert await database.read.one(_SQL, text=text) == text
    assert time.monotonic() - started < 5
