"""Dumps of a MediaWiki, such as Wikipedia's `…-pages-articles.xml`: one document an article.

The format is MediaWiki's XML export (https://www.mediawiki.org/xml/export-0.11.xsd). The dump is
read as a stream, so memory is bounded by the longest page. Articles are the pages of namespace 0;
redirects, talk, user, template and other pages are counted by their kind.
Position in the file: `page_id`, the wiki's own number of the page.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote, urlsplit

from danlu.data import raw
from danlu.data.inputs import SourceFile
from danlu.data.sources import _parts, _wikitext, _xml
from danlu.errors import DataError
from danlu.types import Document

SUFFIXES = ()

MAX_PAGE = 8 << 20
"""Longest page in characters; MediaWiki's own limit is 2 MiB ($wgMaxArticleSize)."""

KINDS = {
    1: "talk_pages", 2: "user_pages", 4: "project_pages", 6: "file_pages", 8: "interface_pages",
    10: "template_pages", 14: "category_pages", 828: "module_pages",
}  # fmt: skip
"""Namespaces that every MediaWiki has (https://www.mediawiki.org/wiki/Help:Namespaces)."""

WIKIMEDIA = (
    "wikipedia.org", "wiktionary.org", "wikibooks.org", "wikisource.org", "wikiquote.org",
    "wikivoyage.org", "wikiversity.org", "wikimedia.org",
)  # fmt: skip
WIKIMEDIA_LICENCE = "CC BY-SA 4.0"
"""That of Wikimedia's text (https://foundation.wikimedia.org/wiki/Policy:Terms_of_Use, 7)."""

_START = re.compile(rb"\s*(?:<\?xml[^>]{0,200}>\s*)?<mediawiki\b")
_WANTED = ("title", "ns", "id", "timestamp", "text", "base", "namespace", "model")


@dataclass(slots=True)
class RawPage:
    """A page as it stands in the dump; plain records, so that another process can strip it."""

    fields: dict[str, str] = field(default_factory=dict)
    """`title`, `ns`, `id`, `timestamp`, `model`, and `text`, the wiki markup."""
    redirect: bool = False


@dataclass(slots=True)
class Site:
    """What a dump says about its wiki."""

    base: str = ""
    media: set[str] = field(default_factory=lambda: set(_wikitext.MEDIA))
    """Namespaces of files and categories, in lower case."""


def read(file: SourceFile) -> Iterator[Document]:
    """One document an article.

    Raises:
        DataError: as `raw.pieces`, it is no dump of a MediaWiki, or is broken XML, or declares
            entities.
    """
    file.notes["encoding"] = "UTF-8"
    site = Site()
    for page in pages(file, site):
        if (reason := _why_not(page)) is not None:
            _parts.left_out(file, reason)
        elif (document := strip(page, site, file.name)) is None:
            _parts.left_out(file, "articles_without_text")
        else:
            yield document


def recognises(head: bytes, name: str) -> bool:
    """Whether a file begins as a dump does."""
    return bool(_START.match(head.removeprefix(b"\xef\xbb\xbf")))


def strip(page: RawPage, site: Site, name: str) -> Document | None:
    """The page as a document, or None when no text is left; a pure function of its arguments."""
    text = _wikitext.plain(page.fields.get("text", ""), site.media)
    if not text:
        return None
    title, number = page.fields.get("title", ""), page.fields.get("id", "")
    meta: dict[str, Any] = {"file": name, "title": _parts.short(title)}
    if number.isdecimal():
        meta["page_id"] = int(number)
    host = urlsplit(site.base).hostname or ""
    meta |= _parts.known(
        timestamp=_parts.short(page.fields.get("timestamp", "")),
        url=f"{site.base.rpartition('/')[0]}/{quote(title.replace(' ', '_'))}" if host else "",
        licence=WIKIMEDIA_LICENCE if host.split(".", 1)[-1] in WIKIMEDIA else "",
    )
    return Document(text, f"{name}#{number or _parts.short(title)}", meta)


def pages(file: SourceFile, site: Site) -> Iterator[RawPage]:
    """All pages of a dump, each with its last revision; `site` is filled before the first.

    Raises:
        DataError: as `read`.
    """
    dump = _Dump(site, file)
    parser = _xml.parser(file.name, namespaces=False)
    parser.StartElementHandler = dump.start
    parser.EndElementHandler = dump.end
    parser.CharacterDataHandler = dump.data
    for piece in raw.pieces(file):
        _xml.feed(parser, piece, file.name, last=False)
        yield from dump.taken()
    _xml.feed(parser, b"", file.name, last=True)
    yield from dump.taken()


def _why_not(page: RawPage) -> str | None:
    """Why a page is no article, or None."""
    namespace = page.fields.get("ns", "0").strip()
    number = int(namespace) if namespace.lstrip("-").isdecimal() else -1
    if number != 0:
        kind = KINDS.get(number) or ("talk_pages" if number > 0 and number % 2 else "other_pages")
        return kind
    if page.redirect:
        return "redirects"
    if page.fields.get("model", "wikitext").strip() != "wikitext":
        return "pages_that_are_no_wikitext"
    return "pages_too_large" if len(page.fields.get("text", "")) > MAX_PAGE else None


class _Dump:
    """What expat finds, page by page."""

    def __init__(self, site: Site, file: SourceFile) -> None:
        self._site, self._file = site, file
        self._done: list[RawPage] = []
        self._page: RawPage | None = None
        self._path: list[str] = []
        self._held: list[str] | None = None
        self._size = 0
        self._key = ""

    def taken(self) -> list[RawPage]:
        """The pages that are complete; they are not kept here."""
        done, self._done = self._done, []
        return done

    def start(self, tag: str, attributes: dict[str, str]) -> None:
        """An element begins."""
        if not self._path and tag != "mediawiki":
            raise DataError(
                f"{self._file.name} is no dump of a MediaWiki",
                got=f"XML that begins with <{tag[:40]}>",
                expected="<mediawiki …>",
                fix="convert it to text, or leave it out",
            )
        parent = self._path[-1] if self._path else ""
        self._path.append(tag)
        if tag == "page":
            self._page = RawPage()
        elif tag == "redirect" and self._page:
            self._page.redirect = True
        elif tag in _WANTED and parent in ("page", "revision", "siteinfo", "namespaces"):
            if tag == "id" and parent == "revision":
                return
            self._held, self._size = [], 0
            self._key = attributes.get("key", "")

    def data(self, text: str) -> None:
        """Text of the element that is open; what is longer than any page is not kept."""
        if self._held is not None and self._size <= MAX_PAGE:
            self._held.append(text)
            self._size += len(text)

    def end(self, tag: str) -> None:
        """An element ends."""
        self._path.pop()
        if tag == "page" and self._page:
            self._done.append(self._page)
            self._page = None
        elif self._held is not None:
            value, self._held = "".join(self._held), None
            if self._page:
                self._page.fields[tag] = value
            elif tag == "base":
                self._site.base = value
            elif tag == "namespace" and self._key in ("6", "14", "-2"):
                self._site.media.add(value.lower())
