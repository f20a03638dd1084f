"""Full text search in scripts without spaces, and of texts in other normal forms."""

import unicodedata
from itertools import pairwise
from typing import Any, Literal

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Text, bindparam, func, literal_column, select

from domains.discovery.records import matches
from domains.kernel.db.database import Database
from domains.kernel.db.full_text import cjk_pairs, web_search
from domains.kernel.db.statements import Statement, scalar
from tests.stack import Tenant

NAMES = {
    "zh": "导出功能很慢，PDF报表也是",
    "ja": "レポートの書き出しが遅い",
    "ko": "보고서를 내보내기가 느려요",
    "th": "ส่งออกรายงานช้ามาก",
    "lo": "ການສົ່ງອອກຊ້າ",
    "km": "ការនាំចេញ\u200bយឺតណាស់",
    "en": "Café exports are slow",
}


async def test_parts_of_words_are_found_in_scripts_without_spaces(acme: Tenant) -> None:
    for language, name in NAMES.items():
        await acme.create("insights", name=name, description="x", tagIds=[language])
    for q, languages in {
        "导出": ["zh"],
        "很慢": ["zh"],
        "能很": ["zh"],
        "慢": ["zh"],
        "导": ["zh"],
        "慢PDF": ["zh"],
        "PDF报表": ["zh"],
        "pdf 也是": ["zh"],
        "慢，PDF": ["zh"],
        "出导": [],
        "导功": [],
        "書き出し": ["ja"],
        "レポート": ["ja"],
        "ﾚﾎﾟｰﾄ": ["ja"],
        "ート": ["ja"],
        "내보내기": ["ko"],
        "보고서 느려요": ["ko"],
        '"보고서를 내보내기"': ["ko"],
        '"내보내기 보고서를"': [],
        unicodedata.normalize("NFD", "내보내기가"): ["ko"],
        "รายงาน": ["th"],
        "ช้า": ["th"],
        "ออก": ["th"],
        "ສົ່ງອອກ": ["lo"],
        "នាំចេញយឺត": ["km"],
        "导出 or 書き": ["ja", "zh"],
        "-导出 -が遅": ["en", "km", "ko", "lo", "th"],
        '-"导出功能" 也': [],
        "Cafe\u0301": ["en"],
        "caf\u00e9 export": ["en"],
        "Cafe": [],
    }.items():
        response = await acme.http.get("/external/v1/insights", params={"q": q})
        assert response.status_code == 200, response.text
        found = sorted(insight["tagIds"][0] for insight in response.json())
        assert found == languages, q
    (zh,) = await acme.get("insights?q=导出")
    await acme.patch(f"insights/{zh['id']}", name=unicodedata.normalize("NFD", "がんばる 한글"))
    assert len(await acme.get("insights?q=がんば")) == 1
    assert len(await acme.get("insights?q=글")) == 1
    assert await acme.get("insights?q=导出") == []


@pytest.mark.parametrize("resource", ["opportunities", "ideas"])
async def test_all_lists_with_full_text_find_parts_of_words(acme: Tenant, resource: str) -> None:
    for name in ("導出が遅い", "書き出し"):
        await acme.create(resource, name=name, description="説明")
    assert [record["name"] for record in await acme.get(f"{resource}?q=書き")] == ["書き出し"]


_FOUND = Statement(
    select(
        matches(
            func.to_tsvector(
                literal_column("'english'::regconfig"),
                func.search_text(bindparam("text", type_=Text)),
            )
        )
    ),
    scalar,
)
_CHARACTERS = st.lists(
    st.sampled_from(["导", "出", "ガ", "ー", "가", "각", "ส่", "ง", "𠮷"]), min_size=1
)
# Sorting the marks takes seconds.
MANY_MARKS = "a" + "\u0301" * 9_999 + "\u0316" * 10_000

Form = Literal["NFC", "NFD", "NFKC"]
_FORMS: st.SearchStrategy[Form] = st.sampled_from(["NFC", "NFD", "NFKC"])


@settings(max_examples=200, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    runs=st.lists(_CHARACTERS, min_size=1, max_size=4),
    between=st.sampled_from([" ", "，", " pdf ", "\n", "("]),
    part=_CHARACTERS,
    cut=st.tuples(st.integers(0, 5), st.integers(1, 5)),
    forms=st.tuples(_FORMS, _FORMS),
)
async def test_a_query_finds_exactly_the_parts_of_runs(
    database: Database,
    runs: list[list[str]],
    between: str,
    part: list[str],
    cut: tuple[int, int],
    forms: tuple[Form, Form],
) -> None:
    text = unicodedata.normalize(forms[0], between.join(map("".join, runs)))
    start, length = cut
    for characters in (part, runs[-1][start : start + length] or runs[0]):
        query = unicodedata.normalize(forms[1], "".join(characters))
        found = await database.read.one(_FOUND, text=text, web_search=web_search(query))
        assert found == any(
            run[at : at + len(characters)] == characters for run in runs for at in range(len(run))
        ), (text, query)


@given(st.text(max_size=60))
def test_queries_of_any_text_are_converted(text: str) -> None:
    assert web_search(text).count('"') >= text.count('"')


@given(st.lists(st.sampled_from("导出ガ가a ")))
def test_pairs_are_the_neighbours(letters: list[str]) -> None:
    expected = {"".join(pair) for pair in pairwise(letters) if not {"a", " "} & set(pair)}
    assert cjk_pairs(["".join(letters)]) == sorted(expected)


@pytest.mark.parametrize(
    "text", ["导" * 400, "- 导" * 130, '"导' * 200, "-" * 399 + "导", "ส่" * 200]
)
async def test_long_queries_are_answered(acme: Tenant, text: str) -> None:
    response = await acme.http.get("/external/v1/insights", params={"q": text})
    assert response.status_code == 200


async def test_hostile_texts_are_stored_in_time(acme: Tenant) -> None:
    for text in ("导" * 20_000, "导 " * 10_000, "ส่" * 10_000, "<导" * 10_000, MANY_MARKS):
        await acme.create("insights", name="x", description=text)
    insights: Any = await acme.get("insights?q=导导")
    assert len(insights) == 1
