"""How questions are put: in the language and the script of the text that they are about."""

from __future__ import annotations

import random
from functools import lru_cache
from typing import Literal

from danlu.data import characters

Language = Literal["en", "zh-Hans", "zh-Hant"]

PHRASES: dict[str, dict[Language, list[str]]] = {
    "what_does": {
        "en": [
            "What does `{name}` do?",
            "What is `{name}` for?",
            "Explain `{name}` in one sentence.",
            "In short, what does `{name}` do?",
        ]
    },
    "write_poem": {
        "en": ["Write a poem titled “{title}”.", "Write a poem. Its title: {title}"],
        "zh-Hans": ["以《{title}》为题写一首诗。", "请写一首诗，题目是《{title}》。"],
        "zh-Hant": ["以《{title}》為題寫一首詩。", "請寫一首詩，題目是《{title}》。"],
    },
    "write_text": {
        "en": ["Write a text titled “{title}”.", "How does a text about “{title}” begin?"],
        "zh-Hans": ["以“{title}”为题写一段文字。", "一篇题为“{title}”的文章会怎样开头？"],
        "zh-Hant": ["以「{title}」為題寫一段文字。", "一篇題為「{title}」的文章會怎樣開頭？"],
    },
    "which_title": {
        "en": ["Give this text a title:\n\n{text}", "What is the title of this?\n\n{text}"],
        "zh-Hans": ["给下面的文字起一个题目：\n\n{text}", "下面这段的题目是什么？\n\n{text}"],
        "zh-Hant": ["給下面的文字起一個題目：\n\n{text}", "下面這段的題目是什麼？\n\n{text}"],
    },
    "continue_text": {
        "en": ["Continue this text:\n\n{text}", "How does this go on?\n\n{text}"],
        "zh-Hans": ["请接着往下写：\n\n{text}", "下文是什么？\n\n{text}"],
        "zh-Hant": ["請接著往下寫：\n\n{text}", "下文是什麼？\n\n{text}"],
    },
    "fill_in": {
        "en": ["Fill in what is missing at ____:\n\n{text}", "What belongs at ____?\n\n{text}"],
        "zh-Hans": ["填上____处缺的一句：\n\n{text}", "____处应该是哪一句？\n\n{text}"],
        "zh-Hant": ["填上____處缺的一句：\n\n{text}", "____處應該是哪一句？\n\n{text}"],
    },
}


def ask(kind: str, about: str, rng: random.Random, /, **parts: str) -> str:
    """A question of a kind about a text, in its language.

    >>> ask("write_poem", "床前明月光，疑是地上霜。", random.Random(0), title="静夜思")
    '请写一首诗，题目是《静夜思》。'
    """
    phrases = PHRASES[kind]
    return rng.choice(phrases.get(language(about)) or phrases["en"]).format(**parts)


@lru_cache(maxsize=8)
def language(text: str) -> Language:
    """Which language to ask in; Chinese without a telling character counts as simplified.

    >>> language("Call me Ishmael."), language("處處聞啼鳥"), language("处处闻啼鸟")
    ('en', 'zh-Hant', 'zh-Hans')
    """
    if not characters.is_han(text):
        return "en"
    start = text[:400]
    return "zh-Hant" if _in(start, "big5") > _in(start, "gb2312") else "zh-Hans"


def _in(text: str, charset: str) -> int:
    """How many characters a character set has: GB2312 the simplified ones, Big5 the traditional."""
    return len(text.encode(charset, "ignore").decode(charset))
