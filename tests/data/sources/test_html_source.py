from __future__ import annotations

import gzip
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from data_examples import POEM, source
from hypothesis import given
from hypothesis import strategies as st

from danlu.data.sources import _page, html
from danlu.data.sources._page_text import names
from danlu.errors import DataError
from danlu.types import Document

Read = Callable[..., list[Document]]

PAGE = """<!DOCTYPE html><html><head><meta charset="utf-8"><title> Ode to
Autumn </title><style>p {color: red}</style></head><body>
<nav><a href="/">Home</a></nav><header>The Site</header>
<article><header><h1>Ode</h1></header>
<p>Season of <b>mists</b> and
mellow&nbsp;fruitfulness &amp; more</p><p>Close<br>bosom-friend</p>
<ul><li>one<li>two</ul>
<pre>  x = 1
    y</pre>
<table><caption>Years</caption><tr><th>born<th>died<tr><td>1795<td><p>1821</p></table>
<footer>Winchester, 1819</footer></article>
<form><p>Subscribe!</p><button>go</button></form><script>alert("<p>no</p>")</script><!-- no -->
<footer>All <a rel="nofollow license" href="https://creativecommons.org/licenses/by/4.0/">rights</a>
</footer></body></html>"""

TEXT = """Ode

Season of mists and mellow\xa0fruitfulness & more

Close
bosom-friend

one
two

  x = 1
    y

Years
born | died
1795 | 1821

Winchester, 1819"""


def test_a_page(tmp_path: Path, read: Read) -> None:
    (tmp_path / "a.html").write_text(PAGE, "utf-8")
    (tmp_path / "b.htm.gz").write_bytes(gzip.compress(PAGE.encode()))
    meta = {"file": "a.html", "title": "Ode to Autumn", "licence": "CC BY 4.0"}
    assert read(tmp_path / "a.html") == [Document(TEXT, "a.html", meta)]
    assert read(tmp_path / "b.htm.gz")[0].text == TEXT


def test_boilerplate_by_choice() -> None:
    page = _page.extract(PAGE, boilerplate=True)
    for words in ("Home", "The Site", "Subscribe!", "All rights"):
        assert words in page.text and words not in TEXT
    assert "alert" not in page.text and "color" not in page.text


def test_a_form_around_the_whole_page_is_no_boilerplate() -> None:
    assert _page.extract(f"<form><p>{POEM}</p></form><nav>x</nav>").text.startswith("床前明月光")


def test_hidden_text_is_not_read() -> None:
    assert _page.extract("<p>seen</p><div hidden><p>unseen</div>").text == "seen"


@pytest.mark.parametrize(
    ("markup", "text"),
    [
        ("床前\n明月光", "床前明月光"),
        ("moon\nlight", "moon light"),
        ("a<span> b </span> c", "a b c"),
        ("a<br><br><br>b", "a\n\nb"),
        ("<div>a<div>b</div></div>c", "a\nb\nc"),
        ("<ruby>漢<rt>かん</rt></ruby>字", "漢字"),
        ("<pre>\n床\n  <b>前</b></pre>", "床\n  前"),
        ("&lt;p&gt; &#x5e8a;", "<p> 床"),
        ("<table><tr><td><table><tr><td>a<td>b</table><td>c</table>", "a | b | c"),
        (f"<table><tr><td><p>{'x' * 400}<p>y</td><td>z</table>", f"{'x' * 400}\n\ny\n\nz"),
        ("<b><p>x</b>y</i></div>", "xy"),
        ("<tr><td>loose</td></tr>", "loose"),
        ("", ""),
        ("<", "<"),
        ("<p", ""),
    ],
)
def test_markup(markup: str, text: str) -> None:
    assert _page.extract(markup).text.replace("\n\n", "\n") == text.replace("\n\n", "\n")


TAGS = names(
    "p /p table tr td /td pre /pre br form script /script svg b /b !-- select template body"
)


@given(st.lists(st.sampled_from([*"ab \n<>/&;", *map("<{}>".format, sorted(TAGS))]), max_size=40))
def test_any_markup_gives_text(pieces: list[str]) -> None:
    page = _page.extract("".join(pieces))
    assert "\n\n\n" not in page.text or "<pre>" in pieces


def test_xhtml_s_empty_elements_do_not_swallow_the_page(tmp_path: Path, read: Read) -> None:
    markup = (
        '<?xml version="1.0"?><html><head><title/><script src="a"/></head>'
        '<body><a id="x"/><p>moon<br/>light</p></body></html>'
    )
    (tmp_path / "a.xhtml").write_text(markup)
    assert [d.text for d in read(tmp_path / "a.xhtml")] == ["moon\nlight"]


def test_a_long_page_is_cut(tmp_path: Path, read: Read) -> None:
    (tmp_path / "a.html").write_text("<title>Moons</title>" + "<p>The moon is bright. " * 1_000)
    documents = read(tmp_path / "a.html")
    assert [d.id for d in documents[:2]] == ["a.html#0001", "a.html#0002"]
    assert [d.meta["part"] for d in documents] == list(range(1, len(documents) + 1))
    assert {d.meta["title"] for d in documents} == {"Moons"}


@pytest.mark.parametrize(
    ("head", "codec", "name"),
    [
        ("<meta charset=gb2312>", "gb18030", "GB18030"),
        ('<meta http-equiv=content-type content="text/html; charset=Big5">', "big5", "Big5-HKSCS"),
        ("<meta charset='shift_jis'>", "cp932", "Shift-JIS"),
        ("<meta charset=gb2312>", "utf-8", "UTF-8"),  # a wrong declaration
        ("<meta charset=nonsense>", "utf-8", "UTF-8"),
        ("<meta charset=zip>", "utf-8", "UTF-8"),
        ("", "utf-16", "UTF-16 (BOM)"),
        ("", "utf-8-sig", "UTF-8 (BOM)"),
    ],
)
def test_encodings(tmp_path: Path, read: Read, head: str, codec: str, name: str) -> None:
    (tmp_path / "a.html").write_bytes(f"{head}<p>明月光</p>".encode(codec))
    notes: dict[str, Any] = {}
    assert [d.text for d in read(tmp_path / "a.html", notes=notes)] == ["明月光"]
    assert notes["encoding"] == name


def test_an_encoding_that_the_user_names_wins(tmp_path: Path, read: Read) -> None:
    (tmp_path / "a.html").write_bytes("<meta charset=utf-8>明月光".encode("gbk"))
    assert read(tmp_path / "a.html", encoding="gbk")[0].text == "明月光"
    with pytest.raises(DataError, match=r"a\.html is UTF-8 .BOM., but byte 20 \(line 1\)"):
        read(tmp_path / "a.html", encoding="utf-8")


def test_damaged_and_binary_pages(tmp_path: Path, read: Read) -> None:
    (tmp_path / "a.html").write_bytes(f"<p>{POEM}".encode() + b"\xff" + POEM.encode())
    with pytest.raises(DataError, match="is UTF-8, but byte"):
        read(tmp_path / "a.html")
    (tmp_path / "b.html").write_bytes(b"<p>\x00\x01\x02" * 9)
    with pytest.raises(DataError, match=r"b\.html is not text"):
        read(tmp_path / "b.html")


def test_a_page_without_text_is_counted(tmp_path: Path, read: Read) -> None:
    (tmp_path / "a.html").write_text("<title>x</title><nav>y</nav>")
    notes: dict[str, Any] = {}
    assert read(tmp_path / "a.html", notes=notes) == []
    assert notes["left_out"] == {"pages_without_text": 1}


def test_a_page_that_is_too_large(
    tmp_path: Path, read: Read, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(html, "MAX_PAGE", 50)
    (tmp_path / "a.html").write_text("<p>" + "x" * 60)
    with pytest.raises(DataError, match=r"a\.html is too large for a page"):
        read(tmp_path / "a.html")


@pytest.mark.parametrize("tag", ["div", "b", "table", "ul", "p", "article", "pre", "form", "svg"])
def test_ten_thousand_elements_inside_each_other(tag: str) -> None:
    started = time.monotonic()
    _page.extract(f"<{tag}>" * 10_000 + "moon")
    assert time.monotonic() - started < 5


def test_a_page_that_is_built_to_be_slow_is_refused(tmp_path: Path, read: Read) -> None:
    (tmp_path / "a.html").write_text("<div>" * 200_000)
    with pytest.raises(DataError, match=r"a\.html is no page that a browser could show"):
        read(tmp_path / "a.html")
    with pytest.raises(_page.TooComplex):
        _page.extract("<a " + " ".join(f"a{n}=1" for n in range(20_000)) + ">")
    wide = "<ul>" + "<li><p>moon" * 20_000 + "</ul>"
    assert _page.extract(wide).text.count("moon") == 20_000


@pytest.mark.parametrize(
    ("head", "is_page"),
    [
        (b"\xef\xbb\xbf<!doctype  HTML>", True),
        (b'<?xml version="1.0"?>\n<!-- a --><!-- b -->\n<html lang="en">', True),
        (b"<htmlx>", False),
        (b"Some <html>", False),
        (b"<!---->" * 500, False),
    ],
)
def test_recognised(head: bytes, is_page: bool) -> None:
    assert html.recognises(head, "page") == is_page


def test_the_reader_is_found_by_suffix(tmp_path: Path) -> None:
    for name in ("a.html", "b.HTM", "c.xhtml"):
        (tmp_path / name).write_text("<p>x")
        assert source(tmp_path / name).reader == "html"
