"""How well short answers match their references, and what needs no model at all.

Token F1 and exact match normalise as SQuAD's official script does (Rajpurkar 2016: lower case, no
punctuation, no articles) and compare bags of words; Han characters are words of their own, and
punctuation is Unicode's, as in MLQA's script (Lewis 2020). chrF (Popović 2015) is sacrebleu's, over
the whole corpus; it needs no words and is the better measure for Chinese. Not here: CMRC's F1,
which is over the longest common run and not over a bag.
"""

from __future__ import annotations

import re
import string
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from danlu.errors import DataError

Pair = tuple[str, str]
"""A question and its answer."""

HAN = r"\u3007\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"
_WORD = re.compile(rf"[{HAN}]|[^\s{HAN}]+")
_ARTICLE = re.compile(r"\b(a|an|the)\b")


def words(text: str) -> list[str]:
    """Normalised words; each Han character is one.

    >>> words("The quick, brown fox.")
    ['quick', 'brown', 'fox']
    >>> words("李白（701年）")
    ['李', '白', '701', '年']
    """
    kept = "".join(c for c in text.lower() if not _is_punctuation(c))
    return _WORD.findall(_ARTICLE.sub(" ", kept))


def _is_punctuation(char: str) -> bool:
    return char in string.punctuation or unicodedata.category(char)[0] == "P"


def token_f1(answer: str, reference: str) -> float:
    """F1 of two bags of words, 0 … 1; if one is empty: 1 when both are.

    >>> token_f1("join the paths", "Join two paths.")
    0.8
    """
    got, wanted = words(answer), words(reference)
    if not got or not wanted:
        return float(got == wanted)
    same = sum((Counter(got) & Counter(wanted)).values())
    return 2 * same / (len(got) + len(wanted))


def exact_match(answer: str, reference: str) -> float:
    """1 if the normalised words are the same, else 0."""
    return float(words(answer) == words(reference))


def score(
    answers: Sequence[str], references: Sequence[str] | Sequence[Sequence[str]]
) -> dict[str, float]:
    """Means over all answers: `token_f1` and `exact_match` (0 … 1), and corpus `chrf` (0 … 100).

    Where an answer has several references, F1 and exact match take the best one.

    Raises:
        DataError: there are no answers, not as many references, or an answer without one.
    """
    wanted = [[r] if isinstance(r, str) else list(r) for r in references]
    if not answers or len(answers) != len(wanted) or not all(wanted):
        raise DataError(
            "answers cannot be scored",
            got=f"{len(answers)} answers, {len(wanted)} references ({wanted.count([])} empty)",
            expected="at least one reference for each answer",
        )
    pairs = list(zip(answers, wanted, strict=True))
    return {
        "token_f1": float(np.mean([max(token_f1(a, r) for r in refs) for a, refs in pairs])),
        "exact_match": float(np.mean([max(exact_match(a, r) for r in refs) for a, refs in pairs])),
        "chrf": chrf(answers, wanted),
    }


def chrf(answers: Sequence[str], references: Sequence[Sequence[str]]) -> float:
    """Corpus chrF2 by sacrebleu with its defaults, 0 … 100."""
    import sacrebleu

    most = max(map(len, references))
    padded = [[refs[min(n, len(refs) - 1)] for refs in references] for n in range(most)]
    return float(sacrebleu.corpus_chrf(list(answers), padded).score)


@dataclass(frozen=True, slots=True)
class AnswerBaseline:
    """A way to answer without a model, and how well it does."""

    name: str

    answers: list[str]

    scores: dict[str, float]
    """As `score` gives them."""


def answer_baselines(train: Sequence[Pair], held_out: Sequence[Pair]) -> list[AnswerBaseline]:
    """Each trivial way to answer the held-out questions, scored.

    Raises:
        DataError: there are no pairs to learn from or to answer.
    """
    if not train or not held_out:
        got = f"{len(train)} to learn from, {len(held_out)} to answer"
        raise DataError("there are no question-answer pairs", got=got)
    questions, references = [q for q, _ in held_out], [a for _, a in held_out]
    ways = {
        "most frequent answer": [most_frequent(train)] * len(questions),
        "nearest question": nearest_answers(train, questions),
        "repeat the question": questions,
    }
    return [AnswerBaseline(name, list(a), score(a, references)) for name, a in ways.items()]


def best_baseline(train: Sequence[Pair], held_out: Sequence[Pair]) -> AnswerBaseline:
    """The trivial way with the highest token F1 (then chrF): what a model has to beat."""
    rows = answer_baselines(train, held_out)
    return max(rows, key=lambda row: (row.scores["token_f1"], row.scores["chrf"]))


def most_frequent(pairs: Sequence[Pair]) -> str:
    """The most frequent answer; of equally frequent ones the first."""
    return Counter(answer for _, answer in pairs).most_common(1)[0][0]


def nearest_answers(train: Sequence[Pair], questions: Sequence[str]) -> list[str]:
    """For each question the answer to the most similar training question.

    Similarity is the cosine of bags of words weighted by inverse document frequency, ln(1 + n/df):
    rare words count, "what does … do" hardly does. Of equal ones the first.

    >>> train = [("what does os.path.join do", "joins"), ("what does sys.exit do", "exits")]
    >>> nearest_answers(train, ["please tell what sys.exit does"])
    ['exits']
    """
    postings: dict[str, list[int]] = defaultdict(list)
    for row, (question, _) in enumerate(train):
        for word in dict.fromkeys(question_words(question)):
            postings[word].append(row)
    rows = {word: np.array(places) for word, places in postings.items()}
    weight = {word: np.log1p(len(train) / len(places)) for word, places in rows.items()}
    squares = np.zeros(len(train))
    for word, places in rows.items():
        squares[places] += weight[word] ** 2
    norms = np.sqrt(np.maximum(squares, 1e-12))
    answers = []
    for question in questions:
        overlap = np.zeros(len(train))
        for word in dict.fromkeys(question_words(question)):
            if word in rows:
                overlap[rows[word]] += weight[word] ** 2
        answers.append(train[int(np.argmax(overlap / norms))][1])
    return answers


def question_words(question: str) -> list[str]:
    """Words to find a similar question by; a dotted name gives its parts and itself.

    >>> question_words("What does `os.path.join` do?")
    ['what', 'does', 'ospathjoin', 'do', 'os', 'path', 'join']
    """
    names = re.findall(r"\w+(?:[._]\w+)+", question)
    parts = [part for name in names for part in words(re.sub(r"[._]", " ", name))]
    return words(question) + parts
