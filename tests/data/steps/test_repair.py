from __future__ import annotations

import re
import sys
import time
import unicodedata
from collections.abc import Callable
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pytest
from data_examples import FABLE, POEM
from hypothesis import given, settings
from hypothesis import strategies as st

from danlu.data import rows
from danlu.data.settings import PrepareSettings, RepairSettings
from danlu.data.steps import _hyphens, _markup, _unicode, repair
from danlu.types import Document

Run = Callable[..., list[dict[str, Any]]]

EVERYTHING = RepairSettings(unicode="nfkc", width="half")


def mended(text: str, **settings: Any) -> str:
    return repair.repair(text, RepairSettings(**settings))[0]


PIECES = (
    "exam|ple|well|known|&|amp;|&amp;|&lt;|b>|<b>|</b>|<br>|<p>|&#39;|-\n|\u00ad\n|\r|\n| |"
    "\u00c3|\u00a9|\u200b|\u200d|\u3000|Ａ|３．５|ｶ|ﾞ|e|\u0301|里|發|后|头|html"
)
ODD = st.one_of(
    st.text(),
    st.lists(st.sampled_from(PIECES.split("|"))).map("".join),
)


@pytest.mark.parametrize("chosen", [RepairSettings(), EVERYTHING], ids=["usual", "everything"])
@settings(deadline=None)
@given(text=ODD)
def test_repairing_twice_is_repairing_once(text: str, chosen: RepairSettings) -> None:
    once = repair.repair(text, chosen)[0]
    assert repair.repair(once, chosen) == (once, [])


@pytest.mark.parametrize("chosen", [RepairSettings(), EVERYTHING], ids=["usual", "everything"])
@settings(deadline=None)
@given(text=ODD)
def test_every_text_that_a_repair_changes_has_its_trace(text: str, chosen: RepairSettings) -> None:
    for kind, trace, change in repair.changes(chosen):
        if change(text) != text:
            assert pc.match_substring_regex(pa.array([text]), trace)[0].as_py(), kind


def test_every_character_that_nfc_could_touch_is_in_its_trace() -> None:
    trace = re.compile(_unicode.NFC_TRACE)
    composing = set(range(0x1161, 0x1176)) | set(range(0x11A8, 0x11C3))  # Hangul's, by algorithm
    for code in range(sys.maxunicode + 1):
        parts = unicodedata.decomposition(chr(code)).split()
        if len(parts) == 2 and not parts[0].startswith("<"):
            composing.add(int(parts[1], 16))
    missed = [
        code
        for code in range(sys.maxunicode + 1)
        if not trace.match(chr(code))
        and (
            not unicodedata.is_normalized("NFC", chr(code))
            or unicodedata.combining(chr(code))
            or code in composing
        )
    ]
    assert [hex(code) for code in missed] == []


def test_only_texts_that_need_it_are_changed_and_counted(run_step: Run) -> None:
    step = repair.Repair()
    result = run_step(step, FABLE, "caf\u00c3\u00a9\u200b", POEM, "a\r\nb")
    assert [row["text"] for row in result] == [FABLE, "café", POEM, "a\nb"]
    assert step.stats() == {"changed": 2, "mojibake": 1, "invisible": 1, "line ends": 1}


def test_a_clean_batch_passes_as_it_is() -> None:
    batches = list(rows.batches([Document(FABLE, "a", {"file": "f"})]))
    assert next(repair.Repair()(iter(batches))) is batches[0]


@pytest.mark.parametrize(
    ("text", "after"),
    [
        ("a\u202eb\u2066c\u2069\u061cd", "abcd"),  # bidirectional controls
        ("hi\U000e0068\U000e0069", "hi"),  # tags hide text from people, not from tokenizers
        ("a\ufe00\U000e0101\U000e0102b", "a\ufe00b"),  # and so do runs of variation selectors
        ("葛\U000e0100飾", "葛\U000e0100飾"),  # one after a Han character chooses its form
        (
            "\U0001f3f4\U000e0067\U000e0062\U000e007f",
            "\U0001f3f4\U000e0067\U000e0062\U000e007f",
        ),  # a region's flag
        ("x\u115f\u3164\ufffey", "xy"),
    ],
)
def test_invisible_characters(text: str, after: str) -> None:
    assert mended(text) == after


def test_normal_forms() -> None:
    assert mended("e\u0301 ﬁ ①，") == "é ﬁ ①，"
    assert mended("e\u0301 ﬁ ①，", unicode="nfkc") == "é fi 1,"
    assert mended("e\u0301", unicode="off") == "e\u0301"


def test_width() -> None:
    text = "ＡＢＣ１２３，全角（Ｘ）。 ｶﾞｷﾞ ５％ ３．１４"
    assert mended(text) == text
    assert mended(text, width="half") == "ABC123，全角（X）。 ガギ 5％ 3.14"


class TestHyphens:
    SPLITS = "as an exam-\nple shows, this example "
    """A document that surely splits words."""

    def test_a_word_is_joined(self) -> None:
        assert mended(f"{self.SPLITS}is an inter-\n  national one") == (
            "as an example shows, this example is an international one"
        )

    def test_many_such_lines_also_show_that_words_are_split(self) -> None:
        lines = "some exam-\nples of inter-\nnational diffi-\nculty"
        assert mended(lines) == "some examples of international difficulty"
        few = "a comma-\nseparated list\n" + "of items\n" * 60 + "pretty-\nprinted, tab-\ndelimited"
        assert mended(few) == few, "text wrapped by hand"

    def test_the_joined_word_elsewhere_decides_even_for_words_like_compounds(self) -> None:
        assert mended(f"{self.SPLITS}well-\nknown").endswith("well-\nknown")
        assert mended("the wellknown, a well-\nknown") == "the wellknown, a wellknown"

    def test_a_compound_elsewhere_keeps_it(self) -> None:
        assert mended(f"{self.SPLITS}a blood-red sky, blood-\nred").endswith("sky, blood-\nred")

    def test_two_words_of_the_document_keep_it(self) -> None:
        assert mended(f"{self.SPLITS}blood is red, blood-\nred").endswith("is red, blood-\nred")

    @pytest.mark.parametrize(
        "text",
        [
            "Anglo-\nSaxon",  # a capital follows
            "COVID-\nlike",
            "state-of-the-\nart",
            "from 10-\nfold",
            "x = alpha-\nbeta",  # code
            "call(alpha-\n  beta);",
            "- one\n-\ntwo",
            "a -\nb",
            "see https://example.org/some-\nthing",
        ],
    )
    def test_what_stays(self, text: str) -> None:
        assert mended(f"{self.SPLITS}\n\n{text}").endswith(f"\n\n{text}")
        assert mended(text) == text

    def test_a_soft_hyphen_always_joins(self) -> None:
        assert mended("well\u00ad\nknown and re\u00adtained") == "wellknown and retained"

    def test_it_can_be_left_out(self) -> None:
        text = self.SPLITS.strip()
        assert mended(text, hyphens=False) == text

    def test_long_words_are_no_trap(self) -> None:
        started = time.process_time()
        _hyphens.join(("a" * 50_000 + "-\n") * 5 + "b")
        _hyphens.join("a-\n" * 20_000)
        assert time.process_time() - started < 2


class TestMarkup:
    @pytest.mark.parametrize(
        ("text", "after"),
        [
            ("Fish &amp; chips, it&#39;s&nbsp;here", "Fish & chips, it's here"),
            ("one<br>two<br />three", "one\ntwo\nthree"),
            ('<p>one</p><p class="x">two</p>', "one\n\n\n\ntwo"),
            ("a <b>bold</b> and <a href='http://x.org/?a=1'>linked</a> word", None),
            ("AT&amp;amp;T", "AT&amp;amp;T"),  # escaped twice: an escape may be the subject
            ("Tom &AMP; Jerry, &Eacute;tude", "Tom & Jerry, Étude"),
        ],
    )
    def test_leftovers_go(self, text: str, after: str | None) -> None:
        assert mended(text) == (after or "a bold and linked word")

    @pytest.mark.parametrize(
        "text",
        [
            "In HTML a line break is <br> and & is &amp;",
            "<html><body><p>whole page</p></body></html>",
            "the tag `<b>` makes it bold</b>",
            'replace("&", "&amp;")',
            "write &lt;b&gt; to see <b>b</b>",
            "x <i> y, vector<p> and List<a>".replace("<p>", "<q>"),
            "a <b and c> d </b",
            "10<sup>3</sup> &unknown; & co; AT&T <unk>",
            "```\na<br>b\n```",
            "int main() {\n  puts(a<br>b);\n}",
            "def f(x):\n    return x\nclass A(B):\n    text = x<br>y",
        ],
    )
    def test_what_stays(self, text: str) -> None:
        assert mended(text) == text

    def test_it_can_be_left_out(self) -> None:
        assert mended("a&amp;b<br>", markup=False) == "a&amp;b<br>"

    def test_hostile_tags_are_no_trap(self) -> None:
        started = time.process_time()
        for text in ("<b " * 100_000, "<b" + " a=a" * 100_000, '<b a="' * 50_000, "&#" * 100_000):
            _markup.strip(text + "<br>")
        assert time.process_time() - started < 3


class TestChinese:
    @pytest.fixture(autouse=True)
    def _with_opencc(self) -> None:
        pytest.importorskip("opencc")

    def test_to_simplified_and_traditional(self) -> None:
        assert mended(POEM, chinese="simplified") == POEM.replace("舉", "举").translate(
            str.maketrans("頭鄉", "头乡")
        )
        assert mended("皇后的头发在里面", chinese="traditional") == "皇后的頭髮在裏面"

    def test_a_traditional_text_is_not_made_more_so(self) -> None:
        text = "那個人走了三里路，見過皇后。"
        assert mended(text, chinese="traditional") == text

    @pytest.mark.parametrize("chinese", ["simplified", "traditional"])
    @pytest.mark.parametrize("text", ["図書館で本を読む。会社の発表", FABLE, "a 圖 in text"])
    def test_other_languages_are_not_touched(self, text: str, chinese: str) -> None:
        assert mended(text, chinese=chinese) == text

    @pytest.mark.parametrize("chinese", ["simplified", "traditional"])
    @settings(deadline=None)
    @given(text=st.text("里後后發髮发头頭乾干幹徵征宫宮於于面麵，。 "))
    def test_twice_is_once(self, chinese: str, text: str) -> None:
        once = mended(text, chinese=chinese)
        assert mended(once, chinese=chinese) == once

    def test_without_opencc_the_error_names_the_extra(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        from danlu.data.steps import _chinese
        from danlu.errors import MissingExtra

        monkeypatch.setitem(sys.modules, "opencc", None)
        _chinese.converter.cache_clear()
        wanted = PrepareSettings(repair=RepairSettings(chinese="simplified"))
        with pytest.raises(MissingExtra, match=r"danlu\[chinese\]"):
            repair.build(wanted)
