"""Documents that a small classifier, trained on the user's own examples, does not take for good.

As in the quality filters of GPT-3 (Brown et al. 2020, appendix A) and DCLM (Li et al. 2024, §4.4):
a linear classifier on n-grams, good examples against bad ones. Every fifth example is kept back;
the limit is the lowest score at which the asked precision is reached on those, counting both kinds
as equally frequent, whatever their numbers among the examples. The beginning of a document decides:
2,048 characters.

It finds what is like the examples, no more: what neither kind contains is judged by chance.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa

from danlu import log
from danlu.data import examples, rows
from danlu.data.logistic import Classifier, FloatArray, roc_auc
from danlu.data.settings import PrepareSettings
from danlu.errors import ConfigError, DataError

REASON = "classifier"
SAMPLE = 1_000_000
"""Characters of each kind of examples that are read at most."""
LEAST = 50
"""Different examples of each kind that are needed: ten are kept back then."""
HELD_OUT = 5
"""One example of so many is kept back."""


def build(settings: PrepareSettings) -> Learned:
    """The step with a classifier trained on the examples; says how well it tells them apart.

    Raises:
        ConfigError: no good or no bad examples are named.
        DataError: there are too few, or they cannot be told apart as precisely as asked.
    """
    own = settings.classifier
    for kind, path in (("good", own.good), ("bad", own.bad)):
        if not path:
            raise ConfigError(
                f"the step classifier needs {kind} examples",
                got=f"classifier.{kind} is empty",
                expected=f"a file or folder with at least {LEAST} {kind} documents",
                fix=f"--classifier.{kind} {kind}.jsonl, or leave the step out of --steps",
            )
    good = examples.read(Path(own.good), settings, characters=SAMPLE)
    bad = examples.read(Path(own.bad), settings, characters=SAMPLE)
    both = set(good.texts) & set(bad.texts)
    if both:
        log.warn(f"classifier: {len(both):,} texts are among the good and the bad: left out")
    kinds = {
        kind: [text for text in dict.fromkeys(some.texts) if text not in both]
        for kind, some in (("good", good), ("bad", bad))
    }
    for kind, texts in kinds.items():
        if len(texts) < LEAST:
            raise DataError(
                f"there are too few {kind} examples",
                got=f"{len(texts):,} different documents",
                expected=f"at least {LEAST}",
                fix=f"name more of them with --classifier.{kind}",
            )
    model, limit = learn(kinds["good"], kinds["bad"], own.precision)
    return Learned(model, limit, f"{good.digest} {bad.digest}")


class Learned:
    """Marks documents that score under a limit; notes the score as `classifier` in `meta`."""

    name = "classifier"

    def __init__(self, model: Classifier, limit: float, digest: str) -> None:
        self.version = f"1 like {digest}"
        self.model, self.limit = model, limit
        self._scored = self._removed = 0

    def __call__(self, batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        """The same rows with scores, 0 bad to 1 good; low ones are removed as `classifier`."""
        for batch in batches:
            removed = batch.column("removed").to_pylist()
            left = [row for row, reason in enumerate(removed) if reason is None]
            texts, metas = batch.column("text").to_pylist(), batch.column("meta").to_pylist()
            scores = self.model.probabilities([texts[row] for row in left]).tolist()
            for row, score in zip(left, scores, strict=True):
                metas[row] = rows.noted(metas[row], "classifier", round(score, 3))
                if score < self.limit:
                    removed[row] = REASON
                    self._removed += 1
            self._scored += len(left)
            yield rows.with_columns(batch, meta=metas, removed=removed) if left else batch

    def stats(self) -> dict[str, int]:
        """Documents looked at and removed."""
        return {"scored": self._scored, "removed": self._removed}


@dataclass(frozen=True, slots=True)
class Limit:
    """A score, and what it keeps of the examples that were kept back."""

    score: float
    kept_good: int
    kept_bad: int
    precision: float


def learn(good: Sequence[str], bad: Sequence[str], precision: float) -> tuple[Classifier, float]:
    """A classifier of four fifths of the examples, and the limit that the others give.

    Raises:
        DataError: no limit reaches the precision.
    """
    (good_learnt, good_held), (bad_learnt, bad_held) = _split(good), _split(bad)
    model = Classifier.fit(good_learnt, bad_learnt)
    good_scores, bad_scores = model.probabilities(good_held), model.probabilities(bad_held)
    auc = roc_auc(good_scores, bad_scores)
    found = limits(good_scores, bad_scores)
    enough = [each for each in found if each.precision >= precision]
    if not enough:
        best = max(found, key=lambda each: each.precision)
        raise DataError(
            "good and bad examples cannot be told apart as precisely as asked",
            got=f"precision {best.precision:.3f} at best, ROC-AUC {auc:.3f}, on those kept back",
            expected=f"precision {precision}",
            fix="more or clearer examples, or a lower --classifier.precision",
        )
    chosen = enough[0]
    log.say(
        f"classifier: {len(good):,} good and {len(bad):,} bad examples; on a fifth kept back "
        f"ROC-AUC {auc:.3f}, and at {chosen.score:.3f} it keeps {chosen.kept_good:,} of "
        f"{len(good_held):,} good and {chosen.kept_bad:,} of {len(bad_held):,} bad"
    )
    return model, chosen.score


def limits(good: FloatArray, bad: FloatArray) -> list[Limit]:
    """All limits that keep different good examples, from the lowest on.

    Each lies half-way between the lowest good score that it keeps and the next lower score of any
    example, so that what is a little less typical than the examples still passes.

    >>> limits(np.array([0.9, 0.4]), np.array([0.2, 0.6]))[0]
    Limit(score=0.30000000000000004, kept_good=2, kept_bad=1, precision=0.6666666666666666)
    """
    scores = np.unique(good)
    every = np.unique(np.concatenate([[0.0], good, bad]))
    below = every[np.maximum(np.searchsorted(every, scores) - 1, 0)]
    kept_good = len(good) - np.searchsorted(np.sort(good), scores)
    kept_bad = len(bad) - np.searchsorted(np.sort(bad), scores)
    good_share, bad_share = kept_good / len(good), kept_bad / len(bad)
    precision = good_share / (good_share + bad_share)
    middle = (scores + below) / 2
    columns = (column.tolist() for column in (middle, kept_good, kept_bad, precision))
    return [Limit(*row) for row in zip(*columns, strict=True)]


def _split(texts: Sequence[str]) -> tuple[list[str], list[str]]:
    """What to learn from, and every fifth, which is kept back."""
    held_out = list(texts[HELD_OUT - 1 :: HELD_OUT])
    return [text for n, text in enumerate(texts, 1) if n % HELD_OUT], held_out
