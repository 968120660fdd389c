"""What can be told of a URL without asking anybody."""

from __future__ import annotations

import re
from pathlib import Path


def is_url(text: str) -> bool:
    """Whether a path is a URL of another machine or store (not `file://`).

    >>> is_url("s3://bucket/a.txt"), is_url("C:/texts"), is_url("file:///a.txt")
    (True, False, False)
    """
    return bool(re.match(r"[A-Za-z][A-Za-z0-9+.-]*://", text)) and local(text) is None


def local(text: str) -> Path | None:
    """The path in a `file://` URL, as fsspec reads it (nothing is percent-decoded), else None.

    >>> local("file:///texts/a.txt").as_posix()
    '/texts/a.txt'
    """
    match = re.match(r"(?i)(?:file|local)://(?:localhost(?=/))?(.*)", text)
    return Path(match[1]) if match else None


def repaired(text: str) -> str:
    """The URL that lost a slash, as it does in a `Path`; empty if the text is nothing like it.

    >>> repaired("s3:/bucket/a.txt"), repaired("a.txt")
    ('s3://bucket/a.txt', '')
    """
    match = re.match(r"([A-Za-z][A-Za-z0-9+.-]+):/(?!/)(.*)", text)
    return f"{match[1]}://{match[2]}" if match else ""


def shown(url: str) -> str:
    """Text with URLs, without what may be secret: passwords, and queries: these hold signatures.

    >>> shown("https://me:secret@host/a.txt?X-Amz-Signature=1")
    'https://host/a.txt?…'
    """
    url = re.sub(r"(\w+://)[^/\s@]*@", r"\1", url)
    return re.sub(r"(https?://[^?\s]*)\?[^\s'\"]*", r"\1?…", url)


def is_pattern(url: str) -> bool:
    """Whether a URL has wildcards; in http URLs `?` starts a query, `[` an address.

    >>> is_pattern("https://host/a?b=1"), is_pattern("s3://bucket/*.txt")
    (False, True)
    """
    return "*" in url if is_http(url) else bool(re.search(r"[*?\[]", url))


def is_http(url: str) -> bool:
    """Whether a URL is of a web server, which has files but no folders."""
    return url.lower().startswith(("http://", "https://"))
