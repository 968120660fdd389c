from __future__ import annotations

import gzip
import time
import tracemalloc
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape

import pytest
from data_examples import source
from hypothesis import given
from hypothesis import strategies as st

from danlu.data.sources import _wikitext, mediawiki
from danlu.errors import DataError
from danlu.types import Document

Read = Callable[..., list[Document]]

MOON = """{{Short description|A body}}{{Infobox
| name = Moon {{small|x}}
| image = [[File:a.jpg]]
}}
{| class="wikitable"
|-
| a || {{b|c|}}
|}
[[File:Moon.jpg|thumb|The [[moon]] at {{nowrap|50%}} [sic]]]
The '''Moon''' ({{lang-la|Luna}}) is [[Earth]]'s only [[natural satellite|satellite]].<ref name="a">
{{cite web|url=x}}</ref><ref name="a"/> It {{lang|fr|brille}} at 384&nbsp;400&thinsp;km &ndash; far.
<!-- no
-->

== Orbit ==
{{Main|Orbit}}
* see [https://example.org the site] and [https://example.org]
*# it ''turns''<br/>slowly
=== Empty ===
== References ==
{{reflist}}
<references />
== External links ==
[[Category:Moons]]
[[fr:Lune]]
__NOTOC__
"""
MOON_TEXT = """The Moon is Earth's only satellite. It brille at 384 400\u2009km – far.

Orbit

see the site and
it turns
slowly"""

ZH = """{{NoteTA|G1=天文}}
'''月球'''，俗稱-{zh-hans:月亮; zh-hant:月娘}-，是[[地球]]的[[卫星|天然卫星]]。<ref>x</ref>
-{H|zh-cn:a;zh-tw:b}-[[文件:a.jpg|缩略图|说明]]{{link-en|克卜勒|Kepler}}说：-{R|鼠}--{标}-。
== 参考文献 ==
[[分类:卫星]]
"""
ZH_TEXT = "月球，俗稱月亮，是地球的天然卫星。\n克卜勒说：鼠标。"


def page(title: str, text: str, ns: int = 0, more: str = "", number: int = 7) -> str:
    return (
        f"<page><title>{title}</title><ns>{ns}</ns><id>{number}</id>{more}<revision><id>99</id>"
        f"<timestamp>2026-01-02T03:04:05Z</timestamp><contributor><username>u</username><id>5</id>"
        f"</contributor><model>wikitext</model><text bytes='9'>{escape(text)}</text>"
        "</revision></page>"
    )


def dump(path: Path, *pages: str, base: str = "https://en.wikipedia.org/wiki/Main_Page") -> Path:
    head = (
        '<mediawiki xmlns="http://www.mediawiki.org/xml/export-0.11/" version="0.11" xml:lang="en">'
        f"<siteinfo><sitename>W</sitename><base>{base}</base><namespaces>"
        '<namespace key="0" /><namespace key="6">Datei</namespace><namespace key="10">T</namespace>'
        "</namespaces></siteinfo>"
    )
    data = (head + "".join(pages) + "</mediawiki>").encode()
    path.write_bytes(gzip.compress(data) if path.suffix == ".gz" else data)
    return path


def articles(path: Path, read: Read, **fields: Any) -> list[Document]:
    return read(path, reader="mediawiki", **fields)


@pytest.mark.parametrize("name", ["a.xml", "a.xml.gz"])
def test_articles(tmp_path: Path, read: Read, name: str) -> None:
    path = dump(tmp_path / name, page("The Moon", MOON), page("月球", ZH, number=8))
    first, second = articles(path, read)
    assert first.text == MOON_TEXT
    assert first.id == f"{name}#7"
    assert first.meta == {
        "file": name,
        "title": "The Moon",
        "page_id": 7,
        "timestamp": "2026-01-02T03:04:05Z",
        "url": "https://en.wikipedia.org/wiki/The_Moon",
        "licence": "CC BY-SA 4.0",
    }
    assert second.text == ZH_TEXT


def test_what_is_no_article_is_counted_by_kind(tmp_path: Path, read: Read) -> None:
    path = dump(
        tmp_path / "a.xml",
        page("Luna", "#REDIRECT [[Moon]]", more='<redirect title="Moon" />'),
        *(page("x", "text", ns=ns) for ns in (1, 2, 3, 10, 14, 15, 828, 100, -1)),
        page("json", "{}").replace(">wikitext<", ">json<"),
        page("bare", "{{stub}}"),
        page("Moon", "kept"),
    )
    notes: dict[str, Any] = {}
    assert [d.text for d in articles(path, read, notes=notes)] == ["kept"]
    assert notes["left_out"] == {
        "redirects": 1,
        "talk_pages": 3,
        "user_pages": 1,
        "template_pages": 1,
        "category_pages": 1,
        "module_pages": 1,
        "other_pages": 2,
        "pages_that_are_no_wikitext": 1,
        "articles_without_text": 1,
    }


def test_other_wikis_state_no_licence_and_name_their_files(tmp_path: Path, read: Read) -> None:
    path = dump(
        tmp_path / "a.xml", page("x", "a [[datei:x.jpg|y]]"), base="https://wiki.example/w/A"
    )
    (document,) = articles(path, read)
    assert document.text == "a"
    assert "licence" not in document.meta
    evil = dump(tmp_path / "b.xml", page("x", "a"), base="https://notwikipedia.org/wiki/A")
    assert "licence" not in articles(evil, read)[0].meta


@pytest.mark.parametrize("keep", [-1, -40, 500, 60])
def test_truncated(tmp_path: Path, read: Read, keep: int) -> None:
    path = dump(tmp_path / "a.xml", page("Moon", MOON))
    path.write_bytes(path.read_bytes()[:keep])
    with pytest.raises(DataError, match=r"a\.xml is broken XML at line"):
        articles(path, read)


def test_something_else_and_an_entity_bomb(tmp_path: Path, read: Read) -> None:
    (tmp_path / "a.xml").write_text("<feed><entry/></feed>")
    with pytest.raises(DataError, match=r"a\.xml is no dump of a MediaWiki") as error:
        articles(tmp_path / "a.xml", read)
    assert "<feed>" in str(error.value)
    (tmp_path / "b.xml").write_text(
        '<!DOCTYPE m [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;">]><mediawiki>&b;</mediawiki>'
    )
    with pytest.raises(DataError, match="declares an entity of its own"):
        articles(tmp_path / "b.xml", read)
    (tmp_path / "c.xml").write_text('<!DOCTYPE m SYSTEM "/etc/passwd"><mediawiki/>')
    assert articles(tmp_path / "c.xml", read) == []


def test_memory_is_bounded_by_a_page_not_by_the_dump(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mediawiki, "MAX_PAGE", 100_000)
    monkeypatch.setattr("danlu.data.raw.PIECE", 1 << 16)
    huge = page("huge", "moon " * 400_000)  # 2 MB
    pages = [page(f"p{n}", "The moon is bright. " * 1_000) for n in range(100)]  # 2 MB
    path = dump(tmp_path / "a.xml", huge, *pages)
    file = replace(source(path), reader="mediawiki")
    tracemalloc.start()
    count = sum(1 for _ in mediawiki.read(file))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert count == 100 and file.notes["left_out"] == {"pages_too_large": 1}
    assert peak < 1e6


@pytest.mark.parametrize(
    ("wikitext", "text"),
    [
        ("a <nowiki>[[b]] ''c'' {{d}}</nowiki> e", "a [[b]] ''c'' {{d}} e"),
        ("a {{b {{c}} d", "a {{b  d"),  # as MediaWiki shows it
        ("a }} b", "a }} b"),
        ("a <ref>b", "a b"),
        ("a <!-- b", "a"),
        ("[[a|b", "[[a|b"),
        ("''a'' '''b''' '''''c''''' d's", "a b c d's"),
        ("a<math>x^2</math><gallery>\nFile:a.jpg\n</gallery>b", "ab"),
        ("<div class='a'>x</div><span>y</span>", "xy"),
        ("a < b and c > d", "a < b and c > d"),
        ("[[:fr:Lune|Lune]] [[wikt:moon|word]] [[Moon (film)|Moon]]s", "Lune word Moons"),
        ("; term : def\n: more\n----\nx", "term : def\nmore\n\nx"),
        ("== A ==\n=== B ===\ntext\n== C ==\n", "A\n\nB\n\ntext"),
        ("{|\n| {{a|\n|}}\n| b\n|}\nc", "c"),
        ("(; {{a}}) （{{b}}，）x ({{c}}; born 1)", "x (born 1)"),
        ("&lt;b&gt; &amp;amp;", "<b> &amp;"),
        ("[[Image:a.jpg|[[b|c]] [http://d e]]]f", "f"),
        ("", ""),
    ],
)
def test_markup(wikitext: str, text: str) -> None:
    assert " ".join(_wikitext.plain(wikitext).split(" ")).strip() == text


@pytest.mark.parametrize(
    ("wikitext", "hans", "hant"),
    [
        ("-{zh-hans:计算机;zh-hant:電腦;}-", "计算机", "電腦"),
        ("-{zh-cn:打印; zh-tw:列印}-", "打印", "列印"),
        ("-{A|zh-cn:a;zh-tw:b}-", "a", "b"),
        ("-{T|zh:x}--{H|zh-cn:a}--{-|zh-cn:a}-", "", ""),
        ("-{R|鼠}--{標}-", "鼠標", "鼠標"),
        ("-{zh-hk:甲}-", "甲", "甲"),
        ("-{x=>zh-cn:甲;x=>zh-tw:乙}-", "甲", "乙"),
        ("-{zh-cn:-{zh-cn:a;zh-tw:b}-}-", "a", "b"),
        ("-{a", "-{a", "-{a"),
    ],
)
def test_variants(wikitext: str, hans: str, hant: str) -> None:
    assert _wikitext.variants(wikitext) == hans
    assert _wikitext.variants(wikitext, "zh-hant") == hant


@pytest.mark.parametrize(
    "wikitext",
    [
        "Call me [[Ishmael]]. Some [[year]]s ago, ''never'' mind '''how''' long.",
        "a [[b|c]] d {{e|f={{g}}}} h",
        "x &amp; y &mdash; z",
        "[http://example.org the site] <b>bold</b> <!-- no -->word",
        "== Life ==\nHe lived.",
    ],
)
def test_as_mwparserfromhell(wikitext: str) -> None:
    reference = pytest.importorskip("mwparserfromhell")
    theirs = reference.parse(wikitext).strip_code()
    assert _wikitext.plain(wikitext).split() == theirs.split()


MARKS = "{{ }} [[ ]] {| |} <ref> </ref> <ref/> <!-- --> -{ }- [http:// ] =="
PIECES = [*"ab \n|=*'", *MARKS.split()]
PIECES += ["<nowiki>", "</nowiki>", "\n|}", "File:", "http://a b]"]


@given(st.lists(st.sampled_from(PIECES), max_size=60).map("".join))
def test_any_markup_gives_text_without_balanced_templates(wikitext: str) -> None:
    text = _wikitext.plain(wikitext)
    assert text == text.strip("\n") and "\n\n\n" not in text


@pytest.mark.parametrize(
    "unit",
    ["{{", "{{a|", "[[", "[[a|", "[[File:a|", "<ref>", "<ref", "<b x=", "\n{|\n", "\n==", "-{",
     "<!--", "[http://x ", "[http://x", "''", "{{lang|", "{", "}}", "]]", "(", " ", "=", "__", "&",
     "\n* <div>\n", "<nowiki>", "-{zh:", "{{{", "[[File:a|[[b|", "=>"],
)  # fmt: skip
def test_hostile_markup_takes_linear_time(unit: str) -> None:
    started = time.monotonic()
    _wikitext.plain(unit * (300_000 // len(unit)))
    _wikitext.plain(f"-{{{unit * (100_000 // len(unit))}}}-[[File:")
    assert time.monotonic() - started < 3


def test_recognised() -> None:
    assert mediawiki.recognises(b'<mediawiki xmlns="x">', "a.xml")
    assert mediawiki.recognises(b"<?xml version='1.0'?>\n<mediawiki>", "a.xml")
    assert not mediawiki.recognises(b"<feed>", "a.xml")
    assert not mediawiki.recognises(b"A dump has <mediawiki> in it.", "a.txt")
