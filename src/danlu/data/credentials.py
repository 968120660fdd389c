"""Keys, tokens and passwords in text: where each one is.

Three families: tokens that their issuer gave a prefix (AWS, GitHub, GitLab, Slack, OpenAI, Google,
Stripe, Hugging Face, JSON Web Tokens of RFC 7519), private keys in PEM (RFC 7468), and values that
are assigned to a name such as `api_key` and look random: letters and digits with many bits
a character. A placeholder (`your_key`, `AKIA…EXAMPLE`) is no secret.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterator

Spans = Iterator[tuple[int, int]]

ENTROPY, HEX_ENTROPY = 3.3, 3.0
"""Least bits a character (Shannon, of the value's own characters): of any value, and of hex digits,
which have 4 at most."""

TOKEN = re.compile(
    r"""(?<![A-Za-z0-9_-])(?:
    (?:AKIA|ASIA|AGPA|AIDA|AROA)[A-Z2-7]{16}
    |gh[pousr]_[A-Za-z0-9]{36,251}|github_pat_[A-Za-z0-9_]{50,120}|glpat-[A-Za-z0-9_-]{20,60}
    |xox[abeoprs]-[A-Za-z0-9-]{16,250}
    |sk-[A-Za-z0-9_-]{20,250}
    |[sr]k_live_[A-Za-z0-9]{20,120}
    |AIza[A-Za-z0-9_-]{35}
    |hf_[A-Za-z0-9]{30,40}
    |eyJ[A-Za-z0-9_-]{8,4000}\.eyJ[A-Za-z0-9_-]{8,8000}\.[A-Za-z0-9_-]{10,4000}
    )(?![A-Za-z0-9_-])""",
    re.VERBOSE,
)

PRIVATE_KEY = re.compile(
    r"-----BEGIN [A-Z ]{0,30}PRIVATE KEY(?: BLOCK)?-----"
    r"(?:\s{0,3}(?:Proc-Type|DEK-Info|Version|Comment):[^\n]{0,200})*+"
    r"(?:(?:\\[nr]|\s){0,6}+[A-Za-z0-9+/=]{16,}+)++"
    r"(?:(?:(?:\\[nr]|\s){0,6}+[A-Za-z0-9+/=]{1,76}+)?"
    r"(?:\\[nr]|\s){0,6}+-----END [A-Z ]{0,40}-----)?"
)
"""Without its end too: a text may have been cut."""

ASSIGNED = re.compile(
    r"""(?i)(?:(?:api|private|encryption|account|auth)[_-]?key|access[_-]?key(?:[_-]?id)?
    |secret(?:[_-]?(?:access[_-]?)?key)?|token|passwd|password|passphrase|pwd|credential)
    ["']?\s{0,3}(?:=>|:=|[=:])\s{0,3}
    (?:(?P<quote>["'`])(?P<quoted>[^\s"'`]{10,250})(?P=quote)|(?P<bare>[A-Za-z0-9+/_=.~-]{19,249}[A-Za-z0-9=]))""",
    re.VERBOSE,
)
PLACEHOLDER = re.compile(
    r"(?i)^(?:<|[${]\{|\$\(|%[({]|[\[(])|\*\*|\.\.\.|your|example|xxxx|placeholder|change.?me|dummy|sample|redacted"
    r"|12345678|abcdef"
)
HEX = re.compile("[0-9a-f]{24,}|[0-9A-F]{24,}")


def secrets(text: str) -> Spans:
    """Tokens, private keys and random-looking assigned values; sorted, without overlaps.

    >>> text = 'api_key = "q7Jx0vT3mZ9pL2"; password = "correct horse"; see sk-learn-documentation'
    >>> [text[a:b] for a, b in secrets(text)]
    ['q7Jx0vT3mZ9pL2']
    """
    found = [match.span() for match in PRIVATE_KEY.finditer(text)]
    found += [match.span() for match in TOKEN.finditer(text) if _is_token(match[0])]
    for match in ASSIGNED.finditer(text):
        name = "quoted" if match["quoted"] else "bare"
        if is_random(match[name], bare=name == "bare"):
            found.append(match.span(name))
    end = 0
    for start, stop in sorted(found, key=lambda span: (span[0], -span[1])):
        if start >= end:
            yield start, stop
            end = stop


def _is_token(token: str) -> bool:
    """A token of OpenAI's form must look random: `sk-` also begins names in style sheets."""
    if token.startswith("sk-"):
        return is_random(token[3:], bare=True)
    return not token.endswith("EXAMPLE") and len(set(token)) > 7


def is_random(value: str, *, bare: bool = False) -> bool:
    """Whether a value looks drawn, not written; without quotes it needs both cases, or hex digits.

    >>> is_random("9f86d081884c7d659a2feaa0c55ad015"), is_random("see_the_2nd_section_below")
    (True, False)
    """
    has_digit, *has_case = (any(map(of, value)) for of in (str.isdigit, str.islower, str.isupper))
    if HEX.fullmatch(value):
        return has_digit and any(has_case) and entropy(value) >= HEX_ENTROPY
    if not has_digit or not any(has_case) or PLACEHOLDER.search(value):
        return False
    if not all(has_case) and (bare or "_" in value):
        return False  # a name in code
    return entropy(value) >= ENTROPY + 0.5 * ("_" in value)


def entropy(value: str) -> float:
    """Shannon entropy of the characters, in bits a character.

    >>> entropy("aabb"), entropy("abcdefgh")
    (1.0, 3.0)
    """
    counts = Counter(value).values()
    return -sum(n / len(value) * math.log2(n / len(value)) for n in counts)
