"""Answer scores against the official rules and sacrebleu, and the trivial baselines."""

import re
import string
import sys
import unicodedata
from collections import Counter

import pytest
import sacrebleu
from hypothesis import given
from hypothesis import strategies as st

from danlu.errors import DataError
from danlu.evaluate.answers import (
    answer_baselines,
    best_baseline,
    exact_match,
    most_frequent,
    nearest_answers,
    score,
    token_f1,
    words,
)

PUNCTUATION = {
    chr(i) for i in range(sys.maxunicode) if unicodedata.category(chr(i)).startswith("P")
} | set(string.punctuation)


def squad_tokens(text):
    """The rules of SQuAD's evaluate-v2.0.py."""
    text = "".join(c for c in text.lower() if c not in set(string.punctuation))
    return re.sub(r"\b(a|an|the)\b", " ", text).split()


def mlqa_tokens(text):
    """The rules of MLQA's mlqa_evaluation_v1.py for Chinese: mixed segmentation."""
    found, word = [], ""
    for char in "".join(c for c in text.lower() if c not in PUNCTUATION):
        if re.search(r"[\u4e00-\u9fa5]", char):
            found += [*word.split(), char]
            word = ""
        else:
            word += char
    return [*found, *word.split()]


def squad_f1(answer, reference, tokens):
    got, wanted = tokens(answer), tokens(reference)
    same = sum((Counter(got) & Counter(wanted)).values())
    if not got or not wanted:
        return int(got == wanted)
    if same == 0:
        return 0
    precision, recall = same / len(got), same / len(wanted)
    return 2 * precision * recall / (precision + recall)


english = st.text(st.sampled_from("aAnN tThHeE cat.,'-$\t\n9"), max_size=30)
chinese = st.text(st.sampled_from("春眠不觉晓，。《》b2 B.…“"), max_size=30)


@given(english, english)
def test_english_is_squad(answer, reference):
    assert words(answer) == squad_tokens(answer)
    assert token_f1(answer, reference) == pytest.approx(squad_f1(answer, reference, squad_tokens))
    assert exact_match(answer, reference) == (squad_tokens(answer) == squad_tokens(reference))


@given(chinese, chinese)
def test_chinese_is_mlqa(answer, reference):
    assert words(answer) == mlqa_tokens(answer)
    assert token_f1(answer, reference) == pytest.approx(squad_f1(answer, reference, mlqa_tokens))


@given(st.text(max_size=20), st.text(max_size=20))
def test_any_text(answer, reference):
    value = token_f1(answer, reference)
    assert 0 <= value <= 1
    assert value == token_f1(reference, answer)
    assert exact_match(answer, reference) <= value
    assert token_f1(answer, answer) == 1


def test_rare_han_and_mixed_text():
    assert words("𠮷野家 opens 二〇〇一年！") == ["𠮷", "野", "家", "opens", *"二〇〇一年"]
    assert words("the “A” — GPT-2模型") == ["gpt2", "模", "型"]


def test_score_takes_the_best_reference():
    found = score(["Paris", "a dog"], [["Lyon", "paris."], ["the cat sat"]])
    assert found["token_f1"] == 0.5
    assert found["exact_match"] == 0.5


@pytest.mark.parametrize(
    ("answers", "references"),
    [
        (["the cat is here", "李白是诗人"], ["the cat sat here", "李白是唐代诗人"]),
        (["", "x"], ["abc", "x"]),
    ],
)
def test_chrf_is_sacrebleu(answers, references):
    expected = sacrebleu.corpus_chrf(answers, [references]).score
    assert score(answers, references)["chrf"] == pytest.approx(expected)


def test_chrf_with_unequal_numbers_of_references():
    answers, references = ["the cat", "a dog runs"], [["a cat", "the cat"], ["a dog ran"]]
    padded = [["a cat", "a dog ran"], ["the cat", None]]
    expected = sacrebleu.corpus_chrf(answers, padded).score
    assert score(answers, references)["chrf"] == pytest.approx(expected)


@pytest.mark.parametrize(
    ("answers", "references"), [([], []), (["a"], []), (["a", "b"], [["a"], []])]
)
def test_what_cannot_be_scored(answers, references):
    with pytest.raises(DataError, match="cannot be scored"):
        score(answers, references)


def test_most_frequent_answer():
    pairs = [("1", "no"), ("2", "yes"), ("3", "yes"), ("4", "no")]
    assert most_frequent(pairs) == "no"  # the first of two equally frequent ones


def test_nearest_question():
    train = [
        ("What does `os.path.join` do?", "Join paths."),
        ("What does `os.path.split` do?", "Split a path."),
        ("李白是谁？", "诗人"),
    ]
    asked = ["What does `posixpath.join` do?", "谁是李白", "zzz"]
    assert nearest_answers(train, asked) == ["Join paths.", "诗人", "Join paths."]


def test_nearest_is_the_largest_cosine():
    """The same as comparing with every training question in turn."""
    train = [("a b c d", "1"), ("b c", "2"), ("d e f", "3"), ("...", "4")]
    import math

    bags = [set(words(q)) for q, _ in train]

    def weight(word):
        return math.log(1 + len(train) / sum(word in bag for bag in bags))

    def cosine(asked, bag):
        return sum(weight(w) ** 2 for w in asked & bag) / math.sqrt(
            sum(weight(w) ** 2 for w in bag) or 1
        )

    for question in ("b", "c d", "e d b", "f x"):
        asked = set(words(question))
        best = max(range(4), key=lambda n: (cosine(asked, bags[n]), -n))
        assert nearest_answers(train, [question]) == [train[best][1]]


def test_the_best_way_wins():
    train = [("capital of France", "Paris"), ("capital of Italy", "Rome"), ("two", "Rome")]
    held_out = [("what is the capital of France?", "Paris"), ("Italy capital", "Rome")]
    best = best_baseline(train, held_out)
    assert (best.name, best.answers) == ("nearest question", ["Paris", "Rome"])
    assert best.scores["exact_match"] == 1
    assert len(answer_baselines(train, held_out)) == 3
    assert best_baseline(train, [("fill in: x y", "x y")]).name == "repeat the question"
    assert best_baseline([("q", "yes")] * 3, [("zzz", "yes")]).name == "most frequent answer"


@pytest.mark.parametrize(("train", "held_out"), [([], [("q", "a")]), ([("q", "a")], [])])
def test_no_pairs(train, held_out):
    with pytest.raises(DataError, match="no question-answer pairs"):
        best_baseline(train, held_out)
