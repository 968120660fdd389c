"""Rules for Chinese pages of the web: FineWeb-2's, and some of ours.

FineWeb-2 (Penedo et al. 2025, configuration cmn_Hani) counts segmented words. Nothing is segmented
here: a word is taken for CHARACTERS_A_WORD characters, so that its n-grams of words are n-grams of
1.5 n characters, rounded up, with the same limits. Its mean length of words has no counterpart. Its
22 stop words are replaced by FUNCTION_WORDS, written for this, of which classical Chinese has some
too. The rules marked `ours` were set by looking at texts, not by training on them. Poems fail
several of these rules (line breaks, few characters): they are for pages.
"""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING

from danlu.data.quality import classes
from danlu.data.quality.rules import Rule, per

if TYPE_CHECKING:
    from danlu.data.quality.measures import Measures
    from danlu.data.quality.repeats import F64

CHARACTERS_A_WORD = 1.5
SHORT_LINE = 16
"""Characters; a shorter line without a mark at its end is an entry of a list."""
FUNCTION_WORDS = (
    *(
        "的",
        "是",
        "不",
        "在",
        "有",
        "了",
        "和",
        "这這",
        "我",
        "他她它",
        "们們",
        "为為",
        "与與",
        "及",
    ),
    *(
        "也",
        "就",
        "而",
        "以",
        "于於",
        "之",
        "其",
        "者",
        "所",
        "则則",
        "乃",
        "曰",
        "上",
        "中",
        "个個",
    ),
)
BOILERPLATE = (
    *("首页", "首頁", "上一页", "上一頁", "下一页", "下一頁", "上一篇", "下一篇", "返回顶部"),
    *("版权所有", "版權所有", "备案号", "ICP备", "ICP证", "网站地图", "联系我们", "聯絡我們"),
    *("关于我们", "關於我們", "免责声明", "友情链接", "点击", "點擊", "登录", "登入", "注册"),
    *("註冊", "转载", "轉載", "扫码", "扫一扫", "二维码", "关注公众号", "关注我们", "微信公众号"),
    *("责任编辑", "来源：", "阅读全文", "查看更多", "相关阅读", "相关推荐", "热门推荐", "加入收藏"),
    *(
        "设为首页",
        "我要评论",
        "发表评论",
        "分享到",
        "打印本页",
        "关闭窗口",
        "下载APP",
        "下载客户端",
    ),
)
ADVERTISING = (
    *("加微信", "加我微信", "微信号", "加QQ", "代开发票", "代開發票", "开发票", "办证", "刷单"),
    *("兼职日结", "日赚", "月入过万", "高薪兼职", "免费领取", "领取优惠券", "限时优惠", "限时抢购"),
    *("包邮", "秒杀", "在线客服", "咨询热线", "客服热线", "加盟热线", "招商加盟", "厂家直销"),
    *("信用卡套现", "无抵押贷款", "当天放款", "娱乐城", "真人荷官", "时时彩", "北京赛车", "棋牌"),
    *("老虎机", "博彩", "百家乐", "私服", "代孕", "枪支", "迷药", "减肥产品", "丰胸", "壮阳"),
)

_FINEWEB = "Penedo et al. 2025, cmn_Hani"
rule = functools.partial(Rule, source="ours", judges="han")
scaled = functools.partial(
    Rule,
    source=f"{_FINEWEB}; 1.5 characters a word",
    judges="han",
    side="max",
    repetition=True,
)


def line_breaks(m: Measures) -> F64:
    """[N] newlines for each word of CHARACTERS_A_WORD units."""
    return per(m.of_code("\n"), m.unit_count / CHARACTERS_A_WORD)


def list_lines(m: Measures) -> F64:
    """[N] the share of lines that are short and end without a mark."""
    bare = ~m.line_ends(classes.PUNCTUATION)
    return m.lines.share((m.lines.lengths < SHORT_LINE) & bare)


def characters(n: int) -> int:
    """How many characters n words are.

    >>> [characters(n) for n in (2, 3, 5, 10)]
    [3, 5, 8, 15]
    """
    return int(n * CHARACTERS_A_WORD + 0.5)


def _top(words: int, limit: float) -> Rule:
    n = characters(words)
    return scaled(
        f"chinese_top_{n}gram",
        lambda m: m.ngrams.top(n),
        limit=limit,
        unit=f"share of characters in occurrences of the top {n}-gram",
    )


def _duplicate(words: int, limit: float) -> Rule:
    n = characters(words)
    return scaled(
        f"chinese_duplicate_{n}gram",
        lambda m: m.ngrams.covered_again(n),
        limit=limit,
        unit=f"share of characters in {n}-grams that occurred before",
    )


_TOPS = {2: 0.256, 3: 0.201, 4: 0.171}
_DUPLICATES = {5: 0.198, 6: 0.182, 7: 0.167, 8: 0.154, 9: 0.14, 10: 0.127}

RULES = (
    rule(
        "chinese_characters_min",
        lambda m: m.unit_count,
        limit=75,
        side="min",
        unit="characters and words",
        source="Rae et al. 2021, A.1.1; 1.5 characters a word",
    ),
    rule(
        "chinese_han_share",
        lambda m: per(m.with_flag(classes.HAN), m.characters),
        limit=0.5,
        side="min",
        unit="share of characters that are Han",
    ),
    rule(
        "chinese_symbols",
        lambda m: per(m.with_flag(classes.ODD), m.characters),
        limit=0.1,
        side="max",
        unit="share of characters that are full-width Latin, pictures or unreadable",
    ),
    rule(
        "chinese_letters",
        lambda m: per(m.with_flag(classes.LETTER), m.characters),
        limit=0.6,
        side="min",
        unit="share of characters that are letters",
        source=f"ours, after {_FINEWEB}: 0.735 of words",
    ),
    rule(
        "chinese_function_words",
        lambda m: m.distinct_characters(FUNCTION_WORDS),
        limit=2,
        side="min",
        unit="different function words",
        source=f"ours, after {_FINEWEB}",
    ),
    rule(
        "chinese_sentence_ends",
        lambda m: 100 * per(m.wide_sentences, m.unit_count),
        limit=0.4,
        side="min",
        unit="sentence ends per 100 characters",
    ),
    rule(
        "chinese_ended_lines",
        lambda m: m.lines.share(m.line_ends(classes.ENDING)),
        limit=0.106,
        side="min",
        unit="share of lines that end with punctuation",
        source=_FINEWEB,
    ),
    rule(
        "chinese_line_breaks",
        line_breaks,
        limit=0.178,
        side="max",
        unit="line breaks a word",
        source=f"{_FINEWEB}; 1.5 characters a word",
    ),
    rule(
        "chinese_list_lines",
        list_lines,
        limit=0.67,
        side="max",
        unit=f"share of lines under {SHORT_LINE} characters without a mark at the end",
    ),
    rule(
        "chinese_boilerplate",
        lambda m: 100 * per(m.phrases(BOILERPLATE), m.unit_count),
        limit=2.0,
        side="max",
        unit="phrases of menus and footers per 100 characters",
    ),
    rule(
        "chinese_advertising",
        lambda m: 100 * per(m.phrases(ADVERTISING), m.unit_count),
        limit=1.0,
        side="max",
        unit="phrases of advertising per 100 characters",
    ),
    rule(
        "chinese_duplicate_lines",
        lambda m: m.lines.share(m.lines_again),
        limit=0.287,
        side="max",
        unit="share of lines that occurred before",
        source=_FINEWEB,
        repetition=True,
    ),
    rule(
        "chinese_duplicate_sentences",
        lambda m: m.again_share(m.sentences, m.sentences_again),
        limit=0.3,
        side="max",
        unit="share of characters in sentences that occurred before",
        repetition=True,
    ),
    *(_top(words, limit) for words, limit in _TOPS.items()),
    *(_duplicate(words, limit) for words, limit in _DUPLICATES.items()),
)
