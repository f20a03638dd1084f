"""Text of Word and PowerPoint files: all parts of a document, each once and in order."""

import pytest

from domains.kernel.untrusted.documents.office.charts import chart_text
from domains.kernel.untrusted.documents.office.slides import read_slides
from domains.kernel.untrusted.documents.office.word import read_word
from tests.fakes import files

# Prefixes are not declared: the reader uses local names only.
RELATIONSHIPS = "word/_rels/document.xml.rels"


def word(body: str, parts: dict[str, str] | None = None) -> str:
    """The text of a document with this XML as its body, and with parts named by their kind."""
    parts = parts or {}
    document = files.with_entries(
        files.docx([]),
        {
            "word/document.xml": f"<w:document><w:body>{body}</w:body></w:document>",
            RELATIONSHIPS: files.relationships(
                {name: (name.rstrip("0123456789"), f"{name}.xml") for name in parts}
            ),
            **{f"word/{name}.xml": content for name, content in parts.items()},
        },
    )
    return read_word(document, None)


def paragraph(text: str, properties: str = "") -> str:
    return f"<w:p><w:pPr>{properties}</w:pPr><w:r><w:t>{text}</w:t></w:r></w:p>"


def test_headers_footers_notes_and_comments_once_each() -> None:
    page = (
        '<w:p><w:r><w:t xml:space="preserve">Page </w:t></w:r><w:r><w:fldChar '
        'w:fldCharType="begin"/></w:r><w:r><w:instrText> PAGE </w:instrText></w:r><w:r><w:fldChar '
        'w:fldCharType="separate"/></w:r><w:r><w:t>7</w:t></w:r><w:r><w:fldChar '
        'w:fldCharType="end"/></w:r><w:r><w:t xml:space="preserve"> of </w:t></w:r>'
        '<w:fldSimple w:instr="NUMPAGES"><w:r><w:t>9</w:t></w:r></w:fldSimple></w:p>'
    )
    parts = {
        "header1": f"<w:hdr>{paragraph('Contract 12')}</w:hdr>",
        "header2": f"<w:hdr>{paragraph('Contract 12')}</w:hdr>",
        "header3": "<w:hdr><w:p/></w:hdr>",
        "footer1": f"<w:ftr>{page}</w:ftr>",
        "footnotes": f"<w:footnotes>{paragraph('As of May.')}</w:footnotes>",
        "endnotes": f"<w:endnotes>{paragraph('See above.')}</w:endnotes>",
        "comments": (
            f'<w:comments><w:comment w:author="Ana">{paragraph("Too dear?")}</w:comment>'
            f"<w:comment>{paragraph('Yes.')}</w:comment></w:comments>"
        ),
    }
    assert word(paragraph("We buy."), parts) == (
        "Contract 12\n\nWe buy.\n\nPage  of\n\nAs of May.\n\nSee above.\n\n"
        "Comment by Ana: Too dear?\n\nComment: Yes."
    )


def level(number: int, number_format: str, text: str, start: int = 1, style: str = "") -> str:
    style = style and f'<w:pStyle w:val="{style}"/>'
    return (
        f'<w:lvl w:ilvl="{number}"><w:start w:val="{start}"/><w:numFmt w:val="{number_format}"/>'
        f'{style}<w:lvlText w:val="{text}"/></w:lvl>'
    )


NUMBERING = (
    '<w:numbering><w:abstractNum w:abstractNumId="0">'
    + level(0, "decimal", "%1.")
    + level(1, "lowerLetter", "%1.%2)")
    + level(2, "upperRoman", "(%3)", 4)
    + '</w:abstractNum><w:abstractNum w:abstractNumId="1">'
    + level(0, "bullet", "\uf0b7")
    + '</w:abstractNum><w:abstractNum w:abstractNumId="2">'
    + level(0, "decimalZero", "Part %1", style="Part")
    + level(1, "decimal", "%1-%2", style="Chapter")
    + '</w:abstractNum><w:num w:numId="1"><w:abstractNumId w:val="0"/></w:num>'
    '<w:num w:numId="2"><w:abstractNumId w:val="1"/></w:num>'
    '<w:num w:numId="3"><w:abstractNumId w:val="0"/><w:lvlOverride w:ilvl="0">'
    '<w:startOverride w:val="10"/></w:lvlOverride></w:num>'
    '<w:num w:numId="4"><w:abstractNumId w:val="2"/></w:num></w:numbering>'
)
STYLES = (
    '<w:styles><w:style w:styleId="Part"><w:pPr><w:numPr><w:numId w:val="4"/></w:numPr></w:pPr>'
    '</w:style><w:style w:styleId="Chapter"><w:basedOn w:val="Part"/></w:style>'
    '<w:style w:styleId="Loop"><w:basedOn w:val="Loop"/></w:style></w:styles>'
)


def test_lists_have_their_numbers_and_bullets() -> None:
    def item(text: str, list_id: int, depth: int = 0) -> str:
        listed = f'<w:numPr><w:ilvl w:val="{depth}"/><w:numId w:val="{list_id}"/></w:numPr>'
        return paragraph(text, listed)

    body = [
        item("a", 1), item("b", 1), item("c", 1, 1), item("d", 1, 1), item("e", 1, 2),
        item("f", 1), item("g", 1, 1), item("h", 2), item("i", 3), item("j", 3),
        paragraph("k", '<w:pStyle w:val="Part"/>'), paragraph("l", '<w:pStyle w:val="Chapter"/>'),
        paragraph("m", '<w:pStyle w:val="Loop"/>'), item("n", 99),
        paragraph("o", '<w:pStyle w:val="Part"/><w:numPr><w:numId w:val="0"/></w:numPr>'),
        paragraph("p", '<w:pPrChange><w:pPr><w:numPr><w:numId w:val="1"/></w:numPr></w:pPr>'
                       "</w:pPrChange>"),
        paragraph("q"),
    ]  # fmt: skip
    text = word("".join(body), {"numbering": NUMBERING, "styles": STYLES})
    assert text.split("\n\n") == [
        "1. a", "2. b", "2.a) c", "2.b) d", "(IV) e", "3. f", "3.a) g", "- h", "10. i", "11. j",
        "Part 01 k", "01-1 l", "m", "n", "o", "p", "q",
    ]  # fmt: skip


def test_text_under_a_phonetic_guide_is_read() -> None:
    code = r'EQ \* "Font:M" \o\ad(\s\up 9(kana),base)'
    assert (
        word(
            '<w:p><w:r><w:fldChar w:fldCharType="begin"/></w:r><w:r><w:instrText>'
            f'{code}</w:instrText></w:r><w:r><w:fldChar w:fldCharType="end"/></w:r>'
            "<w:r><w:t> text</w:t></w:r></w:p>"
        )
        == "base text"
    )


def test_hidden_text_prompts_and_copies_for_old_programs_are_left_out() -> None:
    body = (
        "<w:p><w:r><w:rPr><w:vanish/></w:rPr><w:t>hidden</w:t></w:r><w:r><w:rPr>"
        '<w:vanish w:val="0"/></w:rPr><w:t>shown</w:t></w:r></w:p>'
        "<w:sdt><w:sdtPr><w:showingPlcHdr/></w:sdtPr><w:sdtContent>"
        f"{paragraph('Click here')}</w:sdtContent></w:sdt>"
        f"<w:sdt><w:sdtPr/><w:sdtContent>{paragraph('Filled in')}</w:sdtContent></w:sdt>"
        "<w:p><w:r><mc:AlternateContent><mc:Choice><wps:txbx><w:txbxContent>"
        f"{paragraph('In a box')}</w:txbxContent></wps:txbx></mc:Choice><mc:Fallback><w:pict>"
        f"<v:textbox><w:txbxContent>{paragraph('In a box')}</w:txbxContent></v:textbox></w:pict>"
        "</mc:Fallback></mc:AlternateContent><w:t>Beside it</w:t></w:r></w:p>"
    )
    assert word(body) == "shown\n\nFilled in\n\nIn a box\n\nBeside it"


def test_cells_stay_in_their_columns() -> None:
    def cell(text: str, properties: str = "") -> str:
        return f"<w:tc><w:tcPr>{properties}</w:tcPr>{paragraph(text)}</w:tc>"

    wide = cell("a", '<w:gridSpan w:val="2"/>')
    rows = [wide + cell("b"), cell("c") + cell("") + cell("d"), cell("e") + cell("")]
    table = "".join(f"<w:tr>{row}</w:tr>" for row in rows)
    assert word(f"<w:tbl>{table}</w:tbl>") == "a |  | b\nc |  | d\ne"


CHART = (
    "<c:chartSpace><c:chart><c:title><c:tx><c:rich><a:p><a:r><a:t>Seats </a:t></a:r><a:r>"
    "<a:t>by team</a:t></a:r></a:p></c:rich></c:tx></c:title><c:plotArea><c:barChart>{series}"
    "</c:barChart><c:valAx><c:title><c:tx><c:rich><a:p><a:r><a:t>Thousands</a:t></a:r></a:p>"
    "</c:rich></c:tx></c:title></c:valAx></c:plotArea></c:chart></c:chartSpace>"
)


def series(name: str, categories: list[str], values: list[str], number_format: str) -> str:
    def points(listed: list[str]) -> str:
        return "".join(
            f'<c:pt idx="{at}"><c:v>{text}</c:v></c:pt>' for at, text in enumerate(listed)
        )

    return (
        f"<c:ser><c:tx><c:strRef><c:f>A!B1</c:f><c:strCache>{points([name])}</c:strCache>"
        f"</c:strRef></c:tx><c:cat><c:strRef><c:strCache>{points(categories)}</c:strCache>"
        f"</c:strRef></c:cat><c:val><c:numRef><c:numCache><c:formatCode>{number_format}"
        f"</c:formatCode>{points(values)}</c:numCache></c:numRef></c:val></c:ser>"
    )


@pytest.mark.parametrize(
    ("number_format", "value", "text"),
    [
        ("General", "21.499999999999996", "21.5"),
        ("0.0%", "0.07", "7%"),
        ("m/d/yyyy", "46000", "2025-12-09"),
        ('#,##0 "days"', "45", "45"),
        ("General", "n/a", "n/a"),
    ],
)
def test_chart_values_as_they_are_shown(number_format: str, value: str, text: str) -> None:
    chart = CHART.format(series=series("Used", ["Sales"], [value], number_format))
    assert chart_text(chart.encode()) == f"Seats by team\nUsed: Sales {text}\nThousands"


def test_charts_are_read_in_place() -> None:
    chart = CHART.format(series=series("A", ["x", "y"], ["1", "2"], "0") + series("B", [], [], ""))
    body = paragraph("Before") + '<w:p><w:r><c:chart r:id="chart1"/></w:r></w:p>'
    text = word(body + paragraph("After"), {"chart1": chart})
    assert text == "Before\n\nSeats by team\nA: x 1; y 2\nB\nThousands\n\nAfter"


def test_footers_of_slides_once_and_no_dates() -> None:
    deck = files.pptx([("One", ["a"], ""), ("Two", ["b"], "")])

    def shape(kind: str, text: str) -> str:
        return (
            f'<p:sp><p:nvPr><p:ph type="{kind}"/></p:nvPr><p:txBody><a:p><a:r><a:t>{text}</a:t>'
            "</a:r></a:p></p:txBody></p:sp>"
        )

    shapes = shape("dt", "1 May") + shape("ftr", "Acme") + shape("sldNum", "7") + "</p:spTree>"
    for number in (1, 2):
        deck = files.repacked(
            deck,
            f"ppt/slides/slide{number}.xml",
            lambda part: part.replace("</p:spTree>", shapes),
        )
    assert read_slides(deck, None) == "One\n\na\n\nAcme\n\nTwo\n\nb"


def test_slides_with_charts_diagrams_tables_and_comments() -> None:
    deck = files.pptx([("One", ["Text"], "")])
    frames = (
        '<p:graphicFrame><c:chart r:id="rId1"/></p:graphicFrame>'
        '<p:graphicFrame><dgm:relIds r:dm="rId2" r:lo="rId9"/></p:graphicFrame>'
        "<a:tbl><a:tr><a:tc><a:txBody><a:p><a:r><a:t>a</a:t></a:r></a:p></a:txBody></a:tc>"
        "<a:tc><a:txBody><a:p><a:r><a:t>b</a:t></a:r></a:p></a:txBody></a:tc></a:tr></a:tbl>"
    )
    deck = files.repacked(
        deck, "ppt/slides/slide1.xml", lambda part: part.replace("</p:spTree>", frames)
        .replace("<p:sld ", '<p:sld xmlns:c="c" xmlns:dgm="d" ')
        .replace("</p:cSld>", "</p:spTree></p:cSld>"),
    )  # fmt: skip
    deck = files.with_entries(
        deck,
        {
            "ppt/slides/_rels/slide1.xml.rels": files.relationships(
                {
                    "rId1": ("chart", "../charts/chart1.xml"),
                    "rId2": ("diagramData", "../diagrams/data1.xml"),
                    "rId3": ("comments", "../comments/comment1.xml"),
                    "rId4": ("comments", "../comments/modern.xml"),
                }
            ),
            "ppt/_rels/presentation.xml.rels": files.relationships(
                {
                    "rId1": ("slide", "slides/slide1.xml"),
                    "rId2": ("commentAuthors", "commentAuthors.xml"),
                    "rId3": ("authors", "authors.xml"),
                }
            ),
            "ppt/charts/chart1.xml": CHART.format(series=series("A", ["x"], ["1"], "0")),
            "ppt/diagrams/data1.xml": (
                "<dgm:dataModel><dgm:ptLst><dgm:pt><dgm:t><a:p><a:r><a:t>Ask</a:t></a:r></a:p>"
                "</dgm:t></dgm:pt><dgm:pt><dgm:t><a:p><a:r><a:t>Build</a:t></a:r></a:p></dgm:t>"
                "</dgm:pt></dgm:ptLst></dgm:dataModel>"
            ),
            "ppt/commentAuthors.xml": '<p:l><p:cmAuthor id="0" name="Ben"/></p:l>',
            "ppt/authors.xml": '<p:l><p188:author id="{A}" name="Cleo"/></p:l>',
            "ppt/comments/comment1.xml": (
                '<p:cmLst><p:cm authorId="0"><p:text>Why?</p:text></p:cm></p:cmLst>'
            ),
            "ppt/comments/modern.xml": (
                '<p188:cmLst><p188:cm authorId="{A}"><p188:replyLst><p188:reply authorId="{B}">'
                "<p188:txBody><a:p><a:r><a:t>Because.</a:t></a:r></a:p></p188:txBody></p188:reply>"
                "</p188:replyLst><p188:txBody><a:p><a:r><a:t>Who?</a:t></a:r></a:p>"
                "</p188:txBody></p188:cm></p188:cmLst>"
            ),
        },
    )  # fmt: skip
    assert read_slides(deck, None) == (
        "One\n\nText\n\nSeats by team\nA: x 1\nThousands\n\nAsk\n\nBuild\n\na | b\n\n"
        "Comment by Ben: Why?\n\nComment by Cleo: Who?\n\nComment: Because."
    )
