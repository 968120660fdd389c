"""The records that a report consists of: the JSON inside the page, and the contract of its files.

Every field is optional, because a report is also written of a run that has just begun: what is
absent gets no panel. Unknown keys are ignored, so that a newer writer does not break an older
reader. Units are in the names; losses are nats per token.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field

from danlu.report.schema import Facts, Number, Record, Text

VERSION = 1
ACTIVE = ("loading", "planning", "training", "evaluating")
STALE_S = {"training": 60.0}
"""Seconds without a heartbeat after which a phase counts as stopped."""
STALE_OTHER_S = 600.0
"""For the active phases that do not beat while they work."""


def _by_language(value: Any) -> Any:
    return {"en": value} if isinstance(value, str) else value


class Status(Record):
    """`status.json`: where a run is."""

    phase: Text = ""
    step: Number = None
    of: Number = None
    eta_s: Number = None
    pid: int | None = None
    heartbeat: Number = None
    message: Text = ""
    resume: Text = ""

    @property
    def stale_after_s(self) -> float:
        """How old the heartbeat may be in this phase, in seconds."""
        return STALE_S.get(self.phase, STALE_OTHER_S)

    def state(self, now: float) -> str:
        """The phase as it is at the time `now`: an active one without a heartbeat is `stopped`."""
        late = self.heartbeat is not None and now - self.heartbeat > self.stale_after_s
        return "stopped" if self.phase in ACTIVE and late else self.phase


class Series(Record):
    """One measured quantity over a run, as columns of equal length, ready to be drawn."""

    step: list[Number]
    tokens: list[Number] | None = None
    minutes: list[Number] | None = None
    value: list[Number]
    smooth: list[Number] | None = None
    of: int
    """How many points there were before thinning."""


class Sample(Record):
    """What the model wrote at a step."""

    step: int
    prompt: Text = ""
    text: Text = ""


class Scores(Record):
    """How well text is predicted: one row of the evaluation table."""

    name: Text = ""
    loss: Number = None
    perplexity: Number = None
    bits_per_byte: Number = None
    accuracy: Number = None


class AnswerScores(Record):
    """How well questions are answered, each from 0 to 1 (chrF from 0 to 100)."""

    name: Text = ""
    token_f1: Number = None
    exact_match: Number = None
    chrf: Number = None


class Answers(Record):
    """Answers before and after fine-tuning, and those of a baseline."""

    before: AnswerScores | None = None
    after: AnswerScores | None = None
    baseline: AnswerScores | None = None
    n: int | None = None


class AnswerExample(Record):
    """One held-out question with what was expected and what came."""

    question: Text = ""
    reference: Text = ""
    before: Text = ""
    after: Text = ""


class Result(Scores):
    """`eval.json`: the model on held-out text, beside its baselines."""

    tokens: Number = None
    bytes: Number = None
    verdict: Annotated[dict[Text, Text], BeforeValidator(_by_language)] = Field(
        default_factory=dict
    )
    """A sentence by language; a plain text is English."""

    baselines: list[Scores] = Field(default_factory=list)
    answers: Answers | None = None
    examples: list[AnswerExample] = Field(default_factory=list)


class Figures(Record):
    """What a plan predicts, or what came of it."""

    parameters: Number = None
    tokens: Number = None
    steps: Number = None
    seconds: Number = None
    memory_bytes: Number = None
    loss: Number = None


class Candidate(Record):
    """A model that the planner considered."""

    name: Text = ""
    parameters: Number = None
    tokens_per_s: Number = None
    relative_loss: Number = None
    chosen: bool = False


class Plan(Record):
    """`plan.json`."""

    predicted: Figures = Figures()
    actual: Figures = Figures()
    candidates: list[Candidate] = Field(default_factory=list)
    machine: Facts = Field(default_factory=dict)


class Run(Record):
    """One training run."""

    name: Text
    role: Literal["pretrain", "finetune"]
    settings: str = ""
    """`run.yaml` as it is."""
    status: Status | None = None
    series: dict[str, Series] = Field(default_factory=dict)
    """By quantity: loss, lr, grad_norm, tokens_per_s, memory_bytes, eval_loss …"""
    samples: list[Sample] = Field(default_factory=list)
    last: dict[str, Number] = Field(default_factory=dict)
    """The newest value of each quantity, and of step, tokens and seconds."""
    result: Result | None = None
    plan: Plan | None = None


class Count(Record):
    """An amount of text."""

    documents: Number = None
    bytes: Number = None
    characters: Number = None


class Excerpt(Record):
    """The start of a document that was removed."""

    id: Text = ""
    text: Text = ""


class Removal(Count):
    """What a cleaning step took out for one reason."""

    examples: list[Excerpt] = Field(default_factory=list)


class CleaningStep(Record):
    """One step of the cleaning, with what it changed and removed."""

    name: Text
    version: int | str | None = None
    changed: Number = None
    removed: dict[Text, Removal] = Field(default_factory=dict)


class Lengths(Record):
    """A histogram of document lengths; without a last edge, the last bin is open."""

    unit: Literal["bytes", "characters"] = "characters"
    edges: list[float] = Field(default_factory=list)
    before: list[Number] = Field(default_factory=list)
    after: list[Number] = Field(default_factory=list)


class Source(Record):
    """A file that text was read from."""

    file: Text = ""
    bytes: Number = None
    documents: Number = None
    encoding: Text | None = None


class Corpus(Record):
    """`corpus/manifest.json`: the data before and after cleaning."""

    read: Count | None = None
    kept: Count | None = None
    train: Count | None = None
    held_out: Count | None = None
    steps: list[CleaningStep] = Field(default_factory=list)
    lengths: Lengths | None = None
    han_share: Number = None
    sources: list[Source] = Field(default_factory=list)
    skipped: dict[Text, Number] = Field(default_factory=dict)
    """Files that were not read, counted by reason."""


class Split(Record):
    """A text and the pieces that the tokenizer makes of it."""

    text: Text = ""
    pieces: list[Text] = Field(default_factory=list)


class Tokenizer(Record):
    """`tokenizer/stats.json`."""

    vocab_size: Number = None
    bytes_per_token: Number = None
    examples: list[Split] = Field(default_factory=list)


class Report(Record):
    """Everything that a page shows."""

    version: int = VERSION
    name: Text
    generated: float
    """Unix time of the collection."""
    runs: list[Run] = Field(default_factory=list)
    corpus: Corpus | None = None
    tokenizer: Tokenizer | None = None
    environment: Facts = Field(default_factory=dict)
    commands: list[Text] = Field(default_factory=list)
    problems: list[Text] = Field(default_factory=list)
    """Files that are there and cannot be used; the page and the command say so."""

    @property
    def active(self) -> bool:
        """Whether a run is still going on."""
        return any(
            run.status is not None and run.status.state(self.generated) in ACTIVE
            for run in self.runs
        )
