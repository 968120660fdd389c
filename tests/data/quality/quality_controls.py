"""For every rule a text that fails it and no other rule of its preset, and texts that pass."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator

from danlu.data.quality.presets import chinese

ARTICLE = """The old harbour of the town lies to the north of the bridge, and it is quiet now.
Ships that once came with timber and salt have gone to larger ports along the coast.
In summer a few sailing boats still come to rest here, and children jump from the quay.

An engineer was asked last year to measure how deep the basin is, and he found that it
has silted up by almost two metres. "It could be dug out again," he said to the council.
Nobody knows yet who would pay for it; a decision has to be made before the next winter."""

CHINESE_ARTICLE = """老港口在大桥北边，如今已经很安静了。从前运木材和食盐的船都去了沿海更大的码头。
夏天还有几只帆船停在这里，孩子们从岸上跳进水里游泳。去年请来一位工程师测量水深，他发现港池淤了将近两米。
他对镇上的人说，淤泥可以再挖出来，只是费用不少。谁来出这笔钱，现在还没有人知道，入冬以前必须决定。"""

TRADITIONAL = """學而時習之，不亦說乎？有朋自遠方來，不亦樂乎？人不知而不慍，不亦君子乎？
其為人也孝弟，而好犯上者，鮮矣；不好犯上，而好作亂者，未之有也。君子務本，本立而道生。
孝弟也者，其為仁之本與！巧言令色，鮮矣仁。吾日三省吾身：為人謀而不忠乎？與朋友交而不信乎？傳不習乎？"""

DOCSTRING = """open(file, mode='r', buffering=-1)

Open file and return a corresponding file object. If the file cannot be opened, an OSError is
raised.

    >>> with open('spam.txt', 'w') as file:
    ...     file.write('Spam and eggs!')
    14
"""
CODE = """def gcd(a, b):
    while b:
        a, b = b, a % b
    return a


def lcm(a, b):
    return a // gcd(a, b) * b
"""
QUESTION = "Question: How many moons does Mars have?\nAnswer: Two, Phobos and Deimos."


def words() -> Iterator[str]:
    """Different words of five letters."""
    for letters in itertools.product("bcdfglmnprst", "aeiou", "bdglmnrst", "aeiou", "klmnrst"):
        yield "".join(letters)


def signs() -> Iterator[str]:
    """Different Chinese characters, none of them a function word."""
    common = "".join(chinese.FUNCTION_WORDS)
    return (chr(code) for code in range(0x4E8C, 0x9F00, 3) if chr(code) not in common)


def repeated(n: int, times: int, total: int, *, chinese: bool = False) -> str:
    """A text of `total` units, of which n * times are one n-gram; all others are different."""
    fresh = signs() if chinese else words()
    phrase = [next(fresh) for _ in range(n)]
    gap = (total - n * times) // times
    units: list[str] = []
    for _ in range(times):
        units += [*phrase, *itertools.islice(fresh, gap)]
    units += itertools.islice(fresh, total - len(units))
    if chinese:
        return _sentences("的是" + "".join(units), 40)
    return "the of " + " ".join(units)


def _sentences(text: str, size: int) -> str:
    return "\n".join(text[i : i + size] + "。" for i in range(0, len(text), size))


def lines(sizes: list[int], fresh: Iterator[str]) -> list[str]:
    """Lines of different words, so many in each."""
    return [" ".join(itertools.islice(fresh, size)) for size in sizes]


def duplicate_lines(repeats: int, size: int, others: int, other_size: int) -> str:
    """`repeats` lines of `size` words that each occur twice, `others` that occur once."""
    fresh = words()
    twice, once = lines([size] * repeats, fresh), lines([other_size] * others, fresh)
    mixed = [x for pair in itertools.zip_longest(twice, once) for x in pair if x]
    return "\n".join(["the of", *mixed, *twice[::-1]])


def duplicate_paragraphs(twice: list[str], others: int, size: int, height: int) -> str:
    fresh = itertools.islice(words(), 500, None)
    once = ["\n".join(lines([size] * height, fresh)) for _ in range(others)]
    return "\n\n".join(["the of", *twice, *once, *twice[::-1]])


def said_twice(count: int, size: int) -> str:
    """Chinese sentences of different characters, and the same in the opposite order."""
    fresh = signs()
    once = ["".join(itertools.islice(fresh, size)) + "。" for _ in range(count)]
    return "".join(once + once[::-1])


def _fresh(count: int) -> str:
    return " ".join(itertools.islice(words(), count))


GENTLE = {
    "duplicate_lines": "Home | About | Contact\n" * 7,
    "one_phrase": " ".join(f"buy now {price}" for price in range(40, 140)),
    "duplicate_phrases": "\n".join([" ".join(ARTICLE.split())] * 3),
    "compressible": "-" * 1000,
}
GOPHER = {
    "words_min": ARTICLE[:160],
    "words_max": "the of " + " ".join(f"{word}{n}" for n in range(6) for word in words()),
    "word_length_min": "the of " + " ".join(a + b for a in "bcdfgl" for b in "mnprstvwxz"),
    "word_length_max": "the of " + " ".join(word * 3 for word in itertools.islice(words(), 60)),
    "hashes": ARTICLE.replace("the", "#the").replace(" a ", " #a ").replace("to", "#to"),
    "ellipses": ARTICLE.replace(",", "...").replace(" of", "… of").replace(" to", "… to"),
    "bullet_lines": "\n".join(f"- {line}" for line in ARTICLE.split("\n") if line),
    "ellipsis_lines": ARTICLE.replace(".\n", "...\n"),
    "lettered_words": ARTICLE + " 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 21 22 23"
    " 24 25 26 27 28 29 30 31 32 33",
    "stop_words": _fresh(60),
    "duplicate_lines": duplicate_lines(40, 1, 40, 9),
    "duplicate_line_characters": duplicate_lines(40, 4, 100, 4),
    "duplicate_paragraphs": duplicate_paragraphs(lines([1] * 10, words()), 6, 9, 6),
    "duplicate_paragraph_characters": duplicate_paragraphs(
        [("\n" + " " * 90).join(pair.split()) for pair in lines([2] * 6, words())], 14, 6, 3
    ),
    "top_2gram": repeated(2, 66, 600),
    "top_3gram": repeated(3, 38, 600),
    "top_4gram": repeated(4, 26, 600),
    "duplicate_5gram": repeated(5, 31, 1000),
    "duplicate_6gram": repeated(6, 24, 1000),
    "duplicate_7gram": repeated(7, 19, 1000),
    "duplicate_8gram": repeated(8, 16, 1000),
    "duplicate_9gram": repeated(9, 13, 1000),
    "duplicate_10gram": repeated(10, 11, 1000),
}
C4 = {
    "sentences": ARTICLE.replace(".\n", "\n"),
    "lorem_ipsum": ARTICLE + "\nLorem Ipsum dolor sit amet.",
    "braces": ARTICLE + "\n{",
    "javascript_lines": ARTICLE + "\nPlease enable JavaScript.\nJavascript is off.",
    "policy_lines": ARTICLE + "\nRead our Privacy Policy.\nTerms of Use",
}
FINEWEB = {
    "ended_lines": ARTICLE.replace(".", ","),
    "duplicate_line_characters": ARTICLE + "\n" + ARTICLE.split("\n")[0],
    "short_lines": re.sub(" (and|to|of|with|in|from|that|is|by|be) |, ", ".\\n", ARTICLE),
}
CHINESE = {
    "characters_min": CHINESE_ARTICLE[:60] + "。",
    "han_share": CHINESE_ARTICLE
    + " harbour bridge timber engineer council winter"
    + " decision metres basin silted children sailing boats summer coast larger ports"
    + " engineers measured everything quickly before anybody noticed them",
    "symbols": CHINESE_ARTICLE.replace("，", "★★★→■\ufffd"),
    "letters": CHINESE_ARTICLE.replace("，", "，1234567").replace("。", "1998。"),
    "function_words": _sentences("".join(itertools.islice(signs(), 400)), 40),
    "sentence_ends": CHINESE_ARTICLE.replace("。", "，").replace("，\n", '"\n'),
    "ended_lines": CHINESE_ARTICLE.replace("。\n", "\n").removesuffix("。"),
    "line_breaks": CHINESE_ARTICLE.replace("，", "，\n").replace("。", "。\n\n\n"),
    "list_lines": CHINESE_ARTICLE + "\n港口\n大桥\n木材\n帆船\n费用\n入冬\n淤泥",
    "boilerplate": CHINESE_ARTICLE + "首页，登录，注册，点击，版权所有。",
    "advertising": CHINESE_ARTICLE + "加微信，代开发票。",
    "duplicate_lines": CHINESE_ARTICLE + "\n港口很静。\n大桥很长。" * 2 + "\n大桥很长。",
    "duplicate_sentences": "我的是。" + said_twice(60, 6),
    "top_3gram": repeated(3, 46, 500, chinese=True),
    "top_5gram": repeated(5, 22, 500, chinese=True),
    "top_6gram": repeated(6, 15, 500, chinese=True),
    "duplicate_8gram": repeated(8, 26, 1000, chinese=True),
    "duplicate_9gram": repeated(9, 22, 1000, chinese=True),
    "duplicate_11gram": repeated(11, 17, 1000, chinese=True),
    "duplicate_12gram": repeated(12, 14, 1000, chinese=True),
    "duplicate_14gram": repeated(14, 12, 1000, chinese=True),
    "duplicate_15gram": repeated(15, 10, 1000, chinese=True),
}
FAILING = {
    f"{preset}_{name}": text
    for preset, controls in {
        "gentle": GENTLE,
        "gopher": GOPHER,
        "c4": C4,
        "fineweb": FINEWEB,
        "chinese": CHINESE,
    }.items()
    for name, text in controls.items()
}
