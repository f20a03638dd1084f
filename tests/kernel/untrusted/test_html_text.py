"""HTML to text: what is recognised, what the text is, and its place in the source."""

import time
from html import escape, unescape
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from domains.kernel.core.mapped_text import MappedText
from domains.kernel.untrusted.html_text import html_to_text, is_html


def text_of(source: str, **options: Any) -> str:
    return html_to_text(source, **options).text


def quotes_of(source: str, **options: Any) -> list[str]:
    text = html_to_text(source, **options)
    return [source[start:end] for start, end in text.source_slices(0, len(text))]


# ---- recognition


@pytest.mark.parametrize(
    "text",
    [
        "<!DOCTYPE html>\n<title>Page",
        "\ufeff <!-- mail --><html lang=de>Hallo",
        "<p>The import stops.",
        "Hi team,<p>the import stops",
        "The import stops<br>every night",
        "<div dir='auto'>The import stops</div>",
        "It <b>always</b> stops",
        "and so on</span>",
        '<a href="https://x.example/?a=1&b=2">the report</a> is empty',
        "Notes\n\n<img src='a.png'>\n\nMore",
        "Notes\n<!-- remark -->\nMore",
        "It doesn&#39;t import &quot;all&quot; rows",
        "Halle &amp; Co <rosa@acme.example>",
        "<o:p></o:p><p class=MsoNormal>Text</p>",
    ],
)
def test_html_and_texts_with_html_are_recognised(text: str) -> None:
    assert is_html(text)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "Rows < 10 & columns > 3",
        "if a < b and c > d then x<y",
        "Write to Rosa <rosa@acme.example> or <https://acme.example/help>",
        "It returns List<String> and Map<K, List<A>>",
        "Dear <name>, your <title> starts at <time>",
        "The <div> is too wide and the <button> too small",
        "Wrap it in `<p>text</p>` please",
        "Steps:\n```\n<div class='a'><br></div>\n```\nDone",
        "WEBVTT\n\n00:01.000 --> 00:02.000\n<v Rosa>It <00:01.500>is <i>slow</i></v>",
        "<v Rosa>It is slow</v>",
        "<?xml version='1.0'?><a><b>1</b></a>",
        "<order><item><title>Desk</title></item><total>3</total></order>",
        "It shows &amp; where & should be",
        "AT&T; and R&D",
        "Ping <@U12> in <#C1|general> <!here> <https://x.example|docs>",
        "a <3 b, 5<6",
    ],
)
def test_other_texts_are_not_html(text: str) -> None:
    assert not is_html(text)


# ---- text


@pytest.mark.parametrize(
    ("source", "text"),
    [
        ("<p>One\n  two</p><p>three</p>", "One two\n\nthree"),
        ("<div>One</div><div>two<br>three</div>four", "One\ntwo\nthree\nfour"),
        ("a <b>b</b><i> c</i> <u>d</u>", "a b c d"),
        ("<p>R&amp;D&nbsp;&ndash; 5 &lt; 6 &#8364;7 &#x41;&eacute</p>", "R&D – 5 < 6 €7 Aé"),
        ("<p>&#0;&#xD800;&#99999999999;&#128;&bogus;&", "\ufffd\ufffd\ufffd€&bogus;&"),
        ("a<style>p{}</style>b<script>'<p>'</script>c<!-- <p> -->d<![CDATA[x]]>e", "abcde"),
        ("<p>a<!--[if mso]><p>b</p><![endif]--><![if !mso]>c<![endif]></p>", "ac"),
        ("<p>a<svg><title>b</title></svg><noscript>c</noscript><template>d</template>e", "ae"),
        ('<p title="a > b">c</p><a href=x title=\'<p>\'>d</a>', "c\n\nd"),
        ("<ul><li>a<li><p>b</p></ul>c", "- a\n- b\n\nc"),
        ("<table><tr><td>a</td><td></td><th>b</th></tr><tr><td>c</table>", "a | | b\nc"),
        ("<pre>\none\n  two\n\n\nthree\n</pre>four", "one\n  two\n\n\nthree\n\nfour"),
        ("<p>a<img alt='photo' src=x>b <input value=c></p>", "ab"),
        ("<title>Mail</title><style hidden style='display:none'>p{}</style><p>a</p>", "a"),
        ("<div style='white-space: pre-wrap'>one\n<div>two</div>three\n\nfour</div><p>five\nsix",
         "one\ntwo\nthree\n\nfour\n\nfive six"),
        ("&lt;p&gt;R&amp;amp;D&lt;/p&gt;&lt;p&gt;stops&lt;/p&gt;", "R&D\n\nstops"),
        ("<div><at id=1>Kim</at>&nbsp;look</div>", "Kim look"),
        ("<p>na\u00adme &shy;x&zwnj;y</p>&zwnj;&nbsp;&#847;<p>z</p>", "name x\u200cy\n\nz"),
        ("<p>5 <6 and 7<8 <> </ p></p>", "5 <6 and 7<8 <>"),
        ("<p>cut off <a href='x", "cut off"),
        ("<p>a</p><!-- cut off <p>b</p>", "a"),
        ("<DIV>A<BR/>B</DIV>", "A\nB"),
    ],
)  # fmt: skip
def test_text_of_html(source: str, text: str) -> None:
    assert text_of(source) == text


@pytest.mark.parametrize(
    "hidden",
    [
        '<div style="display: none; color: red"><div>x</div>y</div>',
        "<span style='DISPLAY:NONE !important'>x<span>y</span></span>",
        "<p hidden>x",
        '<div style="max-height:0;overflow:hidden">x<table><tr><td>y</table></div>',
        '<span class="a preheader">x</span>',
        "<table><tr><td style='visibility:hidden'>x<td>",
        "<template><p>x</template>",
    ],
)
def test_hidden_elements_are_left_out(hidden: str) -> None:
    assert text_of(f"<div>{hidden}<p>Shown</p></div><p>too</p>") == "Shown\n\ntoo"


@pytest.mark.parametrize(
    "shown",
    [
        "<div style='overflow:hidden'>x</div>",
        "<td style='font-size:0'>x</td>",
        "<body style='display:none'>x</body>",
        "<p class=hidden-phone>x</p>",
        "<input type=hidden>x",
    ],
)
def test_other_elements_are_not_hidden(shown: str) -> None:
    assert text_of(shown) == "x"


def test_texts_keep_their_own_lines() -> None:
    source = (
        "<!-- template -->\n## Export\n1. open `<b>` &amp; wait\n2. press <kbd>Esc</kbd><br>\n\n"
        "```\n<p>&lt;</p>\n```\n<details><summary>Log</summary>\n  one\n  two\n</details>\n"
        "List<T> stays"
    )
    assert text_of(source) == (
        "## Export\n1. open `<b>` & wait\n2. press Esc\n\n```\n<p>&lt;</p>\n```\nLog\n  one\n"
        "  two\nList<T> stays"
    )
    assert quotes_of(source)[0] == "## Export\n1. open `<b>` &amp; wait\n2. press"


@pytest.mark.parametrize(
    ("source", "text"),
    [
        # Two lines outside of blocks: their own. Else the source is wrapped at will.
        ("one<br>\ntwo\nthree", "one\ntwo\nthree"),
        ("one<br>\ntwo<br>\nthree", "one\ntwo\nthree"),
        ("<p>one\ntwo</p>\n<p>three\nfour</p>", "one two\n\nthree four"),
        ("one\ntwo\n<p>three\nfour</p>", "one\ntwo\n\nthree\nfour"),
        ("<body>one\ntwo\n<b>three</b>\nfour</body>", "one two three four"),
        ("Halle &amp; Co\n\nKim", "Halle & Co\n\nKim"),
        ("Halle &amp; Co <kim@x.example>", "Halle & Co <kim@x.example>"),
    ],
)
def test_line_ends_of_the_source(source: str, text: str) -> None:
    assert text_of(source) == text


def test_title_of_documents() -> None:
    source = "<title>Report &amp; plan</title><p>One\ntwo"
    assert text_of(source, is_document=True) == "Report & plan\n\nOne two"


# ---- quoted mail

OUTLOOK_HEAD = (
    "<div style='border:none;border-top:solid #E1E1E1 1.0pt;padding:3.0pt 0cm 0cm 0cm'>"
    "<p class=MsoNormal><b>Von:</b> Kim<br><b>Gesendet:</b> Montag</p></div><p>Old</p>"
)
ATTRIBUTION = "Am 02.03.2026 um 10:00 schrieb Kim &lt;kim@acme.example&gt;:"


@pytest.mark.parametrize(
    "quoted",
    [
        f'<div class="gmail_quote"><div class="gmail_attr">{ATTRIBUTION}</div><p>Old</p></div>',
        f'<div class="gmail_extra"><br>{ATTRIBUTION}<br><blockquote>Old</blockquote></div>',
        f'<div>{ATTRIBUTION}</div><br><blockquote type="cite"><div>Old</div></blockquote>',
        "<p>On Mon, Mar 2, 2026 at 10:00 AM Kim\n&lt;kim@acme.example&gt;<br>wrote:</p>"
        "<blockquote><blockquote>Older</blockquote>Old</blockquote>",
        "<div>2026年3月2日(月) 10:00 Kim:</div><blockquote>Old</blockquote>",
        f'<div class="moz-cite-prefix">{ATTRIBUTION}</div><blockquote>Old</blockquote>',
        '<div id="yahoo_quoted_7" class="yahoo_quoted"><div>Old</div></div>',
        '<div class="protonmail_quote">Old<blockquote>Older</blockquote></div>',
        '<div id="appendonsend"></div><hr><div id="divRplyFwdMsg">From</div><p>Old</p>',
        "<hr id=stopSpelling>Old<p>Older</p>",
        '<div class=OutlookMessageHeader>From: Kim</div>',
        f"<div>{OUTLOOK_HEAD}</div>",
        '<div style="border-top: 1pt solid rgb(225, 225, 225)"><b>De :</b> Kim</div>Old',
        '<div class="gmail_signature">Ana, Halden Inc.</div>',
        '-- <br><div id="x_Signature">Ana</div>',
        '<div class="x_x_gmail_quote">Old</div>',
        '<div class="ydp5e3yahoo_quoted">Old</div>',
    ],
)  # fmt: skip
def test_quoted_mail_is_left_out(quoted: str) -> None:
    source = f"<div><p>It stops at 10:00.</p>{quoted}</div>"
    assert text_of(source, drop_quotes=True) == "It stops at 10:00."
    assert "Old" in text_of(source) or "Old" not in quoted


@pytest.mark.parametrize(
    ("source", "text"),
    [
        # Nothing else is there.
        ("<blockquote>It stops.</blockquote>", "It stops."),
        (OUTLOOK_HEAD, "Von: Kim\nGesendet: Montag\n\nOld"),
        # Below the quote, and between quotes.
        (f"{ATTRIBUTION}<blockquote>Old</blockquote><p>New</p>", "New"),
        ("<blockquote>1</blockquote>One<blockquote>2</blockquote>Two", "One\n\nTwo"),
        (
            f'<div class="gmail_quote"><div class="gmail_attr">{ATTRIBUTION}</div><blockquote>1'
            "</blockquote><div>One</div><blockquote>2</blockquote>Two</div>",
            "One\n\nTwo",
        ),
        (
            'FYI<div class="gmail_quote"><div class="gmail_attr">------- Forwarded message -----'
            "</div><blockquote>1</blockquote>Old</div>",
            "FYI",
        ),
        # No attribution, and no quote.
        ("<p>The manual says:</p><blockquote>Old</blockquote>", "The manual says:"),
        ('<blockquote style="margin:0 0 0 40px;border:none">Mine</blockquote>', "Mine"),
        ("<div style='border-top:solid #E1E1E1 1.0pt'>Mine</div>", "Mine"),
    ],
)
def test_what_is_kept_of_quotes(source: str, text: str) -> None:
    assert text_of(source, drop_quotes=True) == text


# ---- places in the source


def test_slices_are_parts_of_the_source_without_tags() -> None:
    source = "<p>Q&amp;A\n is <b>very</b> slow.</p><p>It&nbsp;stops!</p>"
    assert quotes_of(source) == ["Q&amp;A\n is", "very", "slow.", "It&nbsp;stops!"]


def test_maps_of_html_within_a_text_compose() -> None:
    source = 'Name: Kim | Text: <p>It <i>really</i> stops</p> | Date: "x"'
    part = MappedText.of(source).part(source.index("<p>"), source.index(" | D"))
    text = html_to_text(part)
    assert text.text == "It really stops"
    assert [source[slice(*each)] for each in text.source_slices(3, 15)] == ["really", "stops"]


def test_length_limit() -> None:
    assert text_of("<p>" + "word " * 1000 + "</p>", max_length=9) == "word word"
    assert text_of("<p>one</p>" * 1000, max_length=8) == "one\n\none"


WORDS = st.text(st.sampled_from("abcé<>&'\"`0; \n-"), max_size=12)
INLINE = st.sampled_from(["b", "i", "span", "a", "font", "o:p"])
BLOCK = st.sampled_from(["p", "div", "li", "td", "section", "h2"])


@st.composite
def markup(draw: st.DrawFn, depth: int = 3) -> tuple[str, list[str]]:
    """HTML and the words that its text has."""
    source = ""
    words: list[str] = []
    for _ in range(draw(st.integers(1, 3))):
        kind = draw(st.sampled_from(["text", "inline", "block", "void", "dropped"]))
        if kind == "text" or depth == 0:
            text = draw(WORDS)
            source, words = source + " " + escape(text) + " ", words + text.split()
        elif kind in ("inline", "block"):
            name = draw(INLINE if kind == "inline" else BLOCK)
            inner, inner_words = draw(markup(depth - 1))
            attributes = draw(st.sampled_from(["", ' class="x>y"', " style='color: red'", " id=a"]))
            source += f"<{name}{attributes}>{inner}</{name}>"
            words += inner_words
        elif kind == "void":
            source += draw(st.sampled_from(["<br>", "<hr/>", "<img alt='x' src=y>", "<wbr>"]))
        else:
            source += draw(
                st.sampled_from(["<!-- <p>x --> ", "<style>p > a {}</style>", "<p hidden>no</p>"])
            )
    return source, words


@given(markup())
def test_the_text_of_generated_html_is_recovered(generated: tuple[str, list[str]]) -> None:
    source, words = generated
    text = html_to_text(f"<body>{source}</body>")
    separators = ("-", "|")
    assert [word for word in text.text.split() if word not in separators] == [
        word for word in words if word not in separators
    ]
    for start, end in text.source_slices(0, len(text.text)):
        assert "<" not in text.source[start:end]


@given(st.text(st.sampled_from("<>/!-'\"=& ;#xapbdiv\n`"), max_size=60))
@example("<![CDATA[<p")
@example("&#x61;&amp<b>p&nbsp;</b>")
def test_any_input_is_read_and_slices_hold_the_letters_of_the_text(source: str) -> None:
    is_html(source)
    html_to_text(source, drop_quotes=True)
    text = html_to_text(source, is_document=True)
    slices = text.source_slices(0, len(text))
    assert all(0 <= start < end <= len(source) for start, end in slices)
    quoted = "".join(unescape(source[start:end]) for start, end in slices)
    assert [each for each in quoted if each.isalnum()] == [
        each for each in text.text if each.isalnum()
    ]


@pytest.mark.parametrize(
    "unit",
    [
        *("<![CDATA[", "<!--", "<", "<a ", "<a b='", "<a b=\"<a c='", "<style>", "<div>", "</div>"),
        *("<p hidden>", "<blockquote>9:00 x:", "<table><tr><td>", "&", "&nbsp;", "&#9", "`<b>\n"),
        *("\n```", "<pre>\n", "\u200c", "<title>", "-->", "<div id=appendonsend ", "x = y "),
    ],
)
def test_time_is_linear(unit: str) -> None:
    source = "<p>" + unit * (200_000 // len(unit))
    started = time.process_time()
    is_html(source)
    for options in ({"drop_quotes": True}, {"is_document": True}):
        text = html_to_text(source, **options)
        text.source_slices(0, len(text.text))
    assert time.process_time() - started < 5
