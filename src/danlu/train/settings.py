"""The settings that every training command shares. No torch here: `--help` reads them."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import Field, model_validator

from danlu.config import Config


class TrainConfig(Config):
    """How long, in which order, and what is looked at meanwhile."""

    steps: int | None = Field(None, ge=1)
    """Length of the run in optimizer steps; give exactly one of steps, tokens, epochs, minutes."""

    tokens: float | None = Field(None, gt=0)
    """Length of the run in tokens, such as 2e7."""

    epochs: float | None = Field(None, gt=0)
    """Length of the run in passes over the data."""

    minutes: float | None = Field(None, gt=0)
    """Length of the run in minutes: the schedule ends when the time does."""

    context: int = Field(256, ge=8)
    """Tokens in a row, at most model.max_len."""

    batch_tokens: int = Field(4096, ge=1)
    """Tokens in an optimizer step, over all ranks and micro-batches."""

    micro_tokens: int = Field(0, ge=0)
    """Tokens that go through the model at once; 0: all of a step. Lower it to save memory."""

    schedule: Literal["constant_then_decay", "short_decay", "cosine", "linear", "constant"] = (
        "constant_then_decay"
    )
    """How the learning rate moves after the warm-up."""

    warmup: float = Field(0.02, ge=0)
    """Below 1 a share of the run, else a number of steps, over which the rate rises."""

    final: float = Field(0.0, ge=0, le=1)
    """Share of the peak rate that is left at the end."""

    bigram_start: bool = True
    """Start an untied model of a small vocabulary where a bigram model of its text ends."""

    seed: int = Field(0, ge=0)
    """Of the starting weights, the order of the data, and dropout."""

    evals: int = Field(20, ge=0)
    """How often in the run held-out loss is measured, and a sample is written."""

    save_every_s: float = Field(60.0, ge=0)
    """Seconds between checkpoints; one is always written at the end and when stopped."""

    trackers: tuple[str, ...] = ()
    """Where else metrics go, by the names of the files in `danlu/trackers`, such as tensorboard."""

    @model_validator(mode="after")
    def _one_length(self) -> Self:
        lengths = ("steps", "tokens", "epochs", "minutes")
        given = [name for name in lengths if getattr(self, name) is not None]
        if len(given) > 1:
            raise ValueError(f"give exactly one of {', '.join(lengths)}, got {', '.join(given)}")
        return self

    @property
    def rows(self) -> int:
        """Rows in a step."""
        return max(self.batch_tokens // self.context, 1)

    @property
    def micro_rows(self) -> int:
        """Rows in a micro-batch."""
        return max(self.micro_tokens // self.context, 1) if self.micro_tokens else self.rows


class OptimizerConfig(Config):
    """The optimizer and its rates at the peak of the schedule."""

    name: Literal["muon", "adamw", "sgd"] = "muon"
    """muon for pretraining; adamw for fine-tuning and as the field's reference; sgd."""

    lr: float = Field(0.02, gt=0)
    """Peak learning rate: of the matrices for muon, of everything else otherwise."""

    embed_lr: float = Field(0.006, gt=0)
    """With muon: AdamW's rate for the embedding and the head."""

    vector_lr: float = Field(0.01, gt=0)
    """With muon: AdamW's rate for norms and biases."""

    weight_decay: float = Field(0.1, ge=0)
    """Decoupled decay of matrices, relative to the learning rate."""

    momentum: float = Field(0.95, ge=0, lt=1)
    """Of muon and sgd."""

    beta1: float = Field(0.9, ge=0, lt=1)
    """AdamW: of the gradient's mean."""

    beta2: float = Field(0.95, ge=0, lt=1)
    """AdamW: of the gradient's square."""

    even_rows: bool = True
    """muon: give each row of an update the same usual size (NorMuon)."""

    clip: float = Field(0.0, ge=0)
    """Largest norm of the whole gradient; 0 does not clip."""
