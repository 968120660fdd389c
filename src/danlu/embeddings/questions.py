"""A few analogies of everyday words, to see at a glance what vectors know.

`a - b + c` should be near `d`. They are a glance and not a benchmark: too few, and chosen so that
text of any kind has some of the words. Families of questions follow Mikolov et al. 2013
(arXiv:1301.3781, table 1); the words are ours.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import permutations

from danlu.embeddings.vectors import Vectors

PAIRS: Mapping[str, str] = {
    "male female": "man woman, king queen, he she, his her, himself herself, father mother, "
    "son daughter, brother sister, husband wife, boy girl, prince princess, uncle aunt",
    "capitals": "paris france, london england, rome italy, berlin germany, tokyo japan, "
    "beijing china, moscow russia, madrid spain, athens greece, vienna austria",
    "plural": "year years, day days, man men, woman women, child children, city cities, "
    "house houses, hand hands, eye eyes, game games",
    "past": "go went, come came, take took, make made, see saw, give gave, know knew, "
    "find found, say said, begin began",
    "comparative": "good better, great greater, high higher, large larger, long longer, "
    "small smaller, old older, young younger",
    "首都": "北京 中国, 东京 日本, 巴黎 法国, 伦敦 英国, 柏林 德国, 罗马 意大利, "
    "莫斯科 俄罗斯, 华盛顿 美国",
    "男女": "男 女, 男性 女性, 男人 女人, 父亲 母亲, 儿子 女儿, 哥哥 姐姐, "
    "丈夫 妻子, 国王 王后, 男子 女子",
    "反义": "大 小, 高 低, 长 短, 多 少, 强 弱, 增加 减少, 上升 下降, 提高 降低, 优点 缺点",
    "省会": "广州 广东, 南京 江苏, 杭州 浙江, 武汉 湖北, 成都 四川, 济南 山东, 西安 陕西, "
    "长沙 湖南",
}
"""Pairs of one relation; two of a family make a question."""

SHOWN = 5


@dataclass(frozen=True, slots=True)
class Score:
    """How a family of questions went."""

    family: str
    asked: int
    """Questions whose four words all have a vector."""
    first: int
    """Those whose answer was the nearest word."""
    among: int
    """Those whose answer was one of the SHOWN nearest."""


def ask(vectors: Vectors) -> list[Score]:
    """How each family went of which at least one question can be asked.

    >>> import numpy as np
    >>> rows = np.array([[1, 0, 1], [1, 0, -1], [0, 1, 1], [0, 1, -1]], np.float32)
    >>> ask(Vectors(("man", "woman", "king", "queen"), rows))
    [Score(family='male female', asked=2, first=2, among=2)]
    """
    scores = []
    for family, text in PAIRS.items():
        pairs = [tuple(pair.split()) for pair in text.split(", ")]
        known = [pair for pair in pairs if all(word in vectors.places for word in pair)]
        asked = first = among = 0
        for (b, a), (c, d) in permutations(known, 2):
            if len({a, b, c, d}) == 4:
                found = [word for word, _ in vectors.analogy(a, b, c, SHOWN)]
                asked, first = asked + 1, first + (found[:1] == [d])
                among += d in found
        if asked:
            scores.append(Score(family, asked, first, among))
    return scores
