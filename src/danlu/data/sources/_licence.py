"""Licences as sources state them, as a link or in words, under one spelling.

The forms of Creative Commons' links: https://creativecommons.org/licenses/by-sa/4.0/ (also with a
port `igo` or a country) and https://creativecommons.org/publicdomain/zero/1.0/.
"""

from __future__ import annotations

import re

from danlu.data.sources._parts import short

_COMMONS = re.compile(
    r"creativecommons\.org/(?:licenses/(by(?:-nc)?(?:-sa|-nd)?)/(\d\.\d)|(publicdomain/zero)/(\d\.\d)"
    r"|(publicdomain/mark))",
    re.IGNORECASE,
)
_SPDX = re.compile(
    r"SPDX-License-Identifier:[ \t]*"
    r"(\(?[A-Za-z][\w.+-]{0,60}\)?(?:[ \t]+(?:AND|OR|WITH)[ \t]+\(?[A-Za-z][\w.+-]{0,60}\)?){0,6})"
)


def spelled(statement: str | None) -> str:
    """The licence that a link or a sentence names; other statements are kept as they are.

    >>> spelled("https://creativecommons.org/licenses/by-sa/4.0/deed.zh")
    'CC BY-SA 4.0'
    >>> spelled("Copyright 1897, the heirs")
    'Copyright 1897, the heirs'
    """
    if match := _COMMONS.search(statement or ""):
        kind, version, zero, zero_version, _ = match.groups()
        if kind:
            return f"CC {kind.upper()} {version}"
        return f"CC0 {zero_version}" if zero else "public domain"
    return short(statement)


def spdx(head: str) -> str:
    """The expression after `SPDX-License-Identifier:` (SPDX specification 2.3, annex E), or empty.

    >>> spdx("/* SPDX-License-Identifier: GPL-2.0-only OR MIT */")
    'GPL-2.0-only OR MIT'
    """
    match = _SPDX.search(head)
    return match[1] if match else ""
