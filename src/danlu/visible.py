"""Characters that act instead of being seen, written out: texts and names of files are hostile.

A document may hold what moves a terminal's cursor (ESC), what turns a line around (U+202E) or what
takes no room (U+200B). Whoever looks at documents must see that they are there.
"""

from __future__ import annotations

import json
import re

_ACTING = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f"  # controls, without tab and line feed
    "\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069"  # bidirectional (Unicode UAX 9, section 2)
    "\u00ad\u200b\u2060-\u2064\u206a-\u206f\ufeff"  # without width
    "\u2028\u2029\ufff9-\ufffb\U000e0000-\U000e007f"  # line ends, annotations, tags
    "\ud800-\udfff]"  # halves of pairs, which cannot be written at all
)


def visible(text: str) -> str:
    r"""The text with each acting character as its code point; tabs and line ends stay.

    >>> print(visible("safe\x1b[2J\u202etxt.exe"))
    safe⟨U+001B⟩[2J⟨U+202E⟩txt.exe
    """
    if text.isascii() and text.isprintable():
        return text
    return _ACTING.sub(lambda found: f"⟨U+{ord(found[0]):04X}⟩", text)


def escaped(line: str) -> str:
    r"""A line of JSON with each acting character as an escape: the same value, harmless to look at.

    >>> print(escaped('"safe\u202etxt.exe"'))
    "safe\u202etxt.exe"
    """
    if line.isascii() and line.isprintable():
        return line
    return _ACTING.sub(lambda found: json.dumps(found[0])[1:-1], line)
