"""How much of a text is lines of program code, by what lines of common languages look like.

Statements of Python, the C family (C, C++, Java, JavaScript, Go, Rust …), shells and SQL, comments,
and lines that end as only code does. It is a share of lines, so that prose with a few examples in
it stays prose; a docstring counts as one line where that gives more, so that a module stays code.
"""

from __future__ import annotations

import re

CHARACTERS = 6_000
"""How much of a text is looked at."""

ENOUGH = 0.25
"""Share of lines from which a text is code, if one of them is a statement."""

ALL_LINES, DATA_LINES = 0.9, 3
"""Without any statement, a text of so many lines counts if that share of them look like code."""

LINE = re.compile(
    r"""^[ \t]*+(?:
    (?:def|class|func|fn|function|struct|interface|impl|enum|namespace|trait|type)[ ]\w[^\n]*[:{(;]$
    |(?:from[ ][\w.]+[ ])?import[ ][\w.{*(]
    |(?:if|elif|for|while|with|except|else|try|finally|switch|catch|case|default)\b[^\n]*[:{]$
    |(?:return|raise|yield|assert|del|throw|await|print)\b[ (]*[\w"'({\[-]*[^\n]*[\w)"'\]};]$
    |(?:pass|break|continue|return|else:|try:|fi|done|esac|end)[;]?$
    |(?:const|let|var|val|auto|static|public|private|protected|extern|unsigned|int|float|double
       |char|void|bool|long|use|package)[ ][^\n]*[;{(,=]$
    |@|\#(?:include|define|ifn?def|endif|!|[ ])|//|/\*|\*/|\*[ ]|>>>[ ]|\.\.\.[ ]|\"\"\"|'''
    |[\w.\[\]"'*&>:-]+[ ]?(?:[-+*/|&%^:]|//|\*\*|<<|>>)?=(?!=)[ ]?\S
    |\w[\w.]*(?::[ ]?[\w.\[\], |"']+)?[ ]=[ ]\S
    |[\w.]+\([^\n]*[\w)\]}"',]*[)\]}][;,]?$
    |(?:SELECT|INSERT|UPDATE|DELETE|CREATE|ALTER|DROP|FROM|WHERE)\b[^\n]*
    |<[/!?]?\w[^<>\n]*>
    |["']?[\w.-]+["']?[ ]?:[ ]?[^\n]+,$
    |[^\n\w]+$
    |[^\n]*+(?<=[;{}])$
    )""",
    re.MULTILINE | re.VERBOSE,
)
"""A line of code. Every part is tried once a line, from its first character that is no space."""

STATEMENT = re.compile(
    r"""^[ \t]*+(?:
    def[ ]\w+\(|class[ ]\w+[(:{ ]|(?:from[ ][\w.]+[ ])?import[ ][\w.{*]|\#include|\#!/
    |(?:el)?if[ ][^\n]+:$|for[ ]\w[^\n]*[ ]in[ ][^\n]+:$|while[ ][^\n]+:$|(?:if|for)[ ]\(
    |return\b|raise[ ]|assert[ ]|print\(|(?:const|let|var)[ ]\w+|use[ ]\w[\w:]+;|SELECT[ ]
    |(?:public|private|static|func|fn|function|package)[ ]
    |[A-Za-z_][\w.]*[ ]=[ ](?:[\[{"']|[A-Za-z_]\w*[.(\[]|None|True|False)
    |[^\n]*+(?:(?<=[A-Za-z0-9)}\]'"];)(?<!&\w\w;)(?<!&\w{3};)(?<!&\w{4};)
              |(?<=[\w)\]][ ]\{)|(?<=\)\{))$
    )""",
    re.MULTILINE | re.VERBOSE,
)
"""A line that prose has by rare chance; one that ends in an entity such as `&gt;` is none."""

FILLED = re.compile(r"^[^\S\n]*+\S", re.MULTILINE)
"""The beginning of a line that is not blank."""

DOCSTRING = re.compile(r'''"""(?:[^"]|"(?!""))*+"""''')


def share(text: str) -> float:
    r"""The share of lines that are code, white space aside; 0 where too little speaks for code.

    >>> share("def double(x):\n    return 2 * x\n"), share("Double it.\nThen return.")
    (1.0, 0.0)
    """
    text = text[:CHARACTERS]
    if STATEMENT.search(text):
        found, lines = _count(text)
        if '"""' in text and found < lines:
            less, fewer = _count(DOCSTRING.sub('"""', text))
            return max(found / lines, less / fewer)
        return found / lines
    if text.count("\n") < DATA_LINES - 1:
        return 0.0
    found, lines = _count(text)
    return found / lines if lines >= DATA_LINES and found >= ALL_LINES * lines else 0.0


def _count(text: str) -> tuple[int, int]:
    """Lines of code, and lines that are not blank."""
    lines = len(FILLED.findall(text))
    return min(lines, len(LINE.findall(text))), lines
