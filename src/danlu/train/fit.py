"""Train to the end of a run: the loop, and what is done around it now and then.

Evaluation, samples, checkpoints and the log never change what is trained: with them on or off the
weights come out the same, bit for bit.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from torch import nn

from danlu import log
from danlu.errors import ConfigError, ResourceError, Stopped, TrainingError
from danlu.runtime import Runtime, peak_memory_bytes
from danlu.train import schedules
from danlu.train.horizon import Horizon, Minutes, Steps
from danlu.train.optimizers import Optimizer
from danlu.train.run import Run, interruptible
from danlu.train.settings import TrainConfig
from danlu.train.steps import Objective, StepInfo, steps
from danlu.types import Batch

VIEW_EVERY_S = 10.0
MAX_FAILED_SAVES = 2

Eval = Callable[[nn.Module], dict[str, float]]
"""A measurement on held-out data; its figures go into the log under their names."""


class Batches(Protocol):
    """Where micro-batches come from; see `data.batches` and `data.chats`."""

    rows: int
    epoch_rows: int

    def __call__(self, step: int) -> list[Batch]:
        """This rank's micro-batches of a step."""


@dataclass(frozen=True)
class Watch:
    """What is looked at while training; nothing here changes the weights."""

    evals: Mapping[str, Eval] = field(default_factory=dict)
    sample: Callable[[nn.Module], tuple[str, str]] | None = None
    """Model → (prompt, what it writes)."""

    view: Callable[[], None] | None = None
    """Called every ten seconds and at the end, to rewrite the report."""

    name: str = "train"
    """Title of the progress line."""


def horizon(cfg: TrainConfig, batches: Batches) -> Horizon:
    """How long the run is.

    Raises:
        ConfigError: none of steps, tokens, epochs and minutes is given.
    """
    row_tokens = batches.rows * cfg.context
    if cfg.minutes is not None:
        return Minutes(cfg.minutes)
    if cfg.steps is not None:
        return Steps(cfg.steps)
    if cfg.tokens is not None:
        return Steps(max(round(cfg.tokens / row_tokens), 1))
    if cfg.epochs is not None:
        return Steps(max(round(cfg.epochs * batches.epoch_rows / batches.rows), 1))
    raise ConfigError(
        "the length of the run is missing",
        expected="one of train.steps, train.tokens, train.epochs, train.minutes",
        fix="--train.minutes 10",
    )


def fit(
    model: Any,
    objective: Objective,
    batches: Batches,
    optimizer: Optimizer,
    cfg: TrainConfig,
    *,
    runtime: Runtime,
    run: Run,
    watch: Watch | None = None,
) -> dict[str, Any]:
    """Train until the run is over; returns its last state.

    Continues from the newest checkpoint of the run folder. If the run is already over, nothing is
    done.

    Raises:
        Stopped: somebody asked to; everything is saved.
        TrainingError: a loss is not finite; a checkpoint from before it is saved.
        ResourceError: two checkpoints in a row could not be written.
    """
    length = horizon(cfg, batches)
    state = run.restore(model, optimizer, length)
    loop = _Loop(model, optimizer, cfg, runtime, run, watch or Watch(), length, state)
    warmup = cfg.warmup if cfg.warmup < 1 else length.share(cfg.warmup)

    def factor(progress: float) -> float:
        share = length.share(cfg.warmup) if cfg.warmup >= 1 else warmup
        return schedules.factor(cfg.schedule, progress, warmup=min(share, 1.0), final=cfg.final)

    stream = steps(
        model,
        objective,
        batches,
        optimizer,
        horizon=length,
        factor=factor,
        runtime=runtime,
        seed=cfg.seed,
        start=state["step"],
    )
    try:
        with interruptible() as asked, loop:
            for info in stream:
                loop.after(info)
                if number := asked.signal:
                    loop.save()
                    raise Stopped(
                        f"stopped after step {info.step}; nothing is lost",
                        signal=number,
                        fix=f"to go on: {run.resume}",
                    )
            loop.finish()
    except TrainingError as error:
        loop.bad_batch(batches, error)
        raise
    finally:
        loop.metrics.close()
    return loop.state()


class _Loop:
    """What happens after each step."""

    def __init__(
        self,
        model: Any,
        optimizer: Optimizer,
        cfg: TrainConfig,
        runtime: Runtime,
        run: Run,
        watch: Watch,
        length: Horizon,
        state: Mapping[str, Any],
    ) -> None:
        self.model, self.optimizer, self.cfg, self.runtime = model, optimizer, cfg, runtime
        self.run, self.watch, self.length = run, watch, length
        self.metrics = log.Metrics(run.folder, cfg.trackers if runtime.rank == 0 else ())
        self.step, self.tokens = int(state["step"]), int(state.get("tokens", 0))
        self.before_s = float(state.get("seconds", 0.0))
        self.progress = float(state.get("progress", 0.0))
        self.saved_step = self.step
        self.failed_saves = 0
        self.began = self.saved_at = self.viewed_at = time.perf_counter()
        self.smooth: float | None = None
        self.bar = log.Progress(watch.name, 1.0, done=self.progress)

    def __enter__(self) -> _Loop:
        self.bar.__enter__()
        return self

    def __exit__(self, *error: Any) -> None:
        self.bar.__exit__(*error)

    @property
    def seconds(self) -> float:
        """Seconds of training, earlier sessions included."""
        return self.before_s + time.perf_counter() - self.began

    def after(self, info: StepInfo) -> None:
        """Log a step; evaluate, sample, save and show when it is time."""
        self.step, self.tokens = info.step, self.tokens + info.tokens
        speed = info.tokens / max(info.seconds, 1e-9)
        self.smooth = info.loss if self.smooth is None else 0.95 * self.smooth + 0.05 * info.loss
        self.metrics.log(
            "train",
            info.step,
            seconds=round(self.seconds, 3),
            tokens=self.tokens,
            loss=info.loss,
            lr=info.factor * max(row["lr"] for row in self.optimizer.table()),
            grad_norm=info.grad_norm,
            tokens_per_s=round(speed, 1),
            memory_bytes=peak_memory_bytes(),
            **info.metrics,
        )
        before, self.progress = self.progress, min(self.length.progress(info.step), 1.0)
        parts = self.cfg.evals
        if int(self.progress * parts) > int(before * parts) and self.progress < 1:
            self.look()  # at the end, `finish` does it
        self.length.tick(self.seconds)
        total = self.length.total(info.step)
        note = f"step {info.step:,}/{total:,} · loss {self.smooth:.3f} · {speed:,.0f} tokens/s"
        self.bar.update(self.progress, note)
        self.run.status(
            "training", step=info.step, of=total, eta_s=self.bar.left_s, loss=self.smooth
        )
        now = time.perf_counter()
        if now - self.saved_at >= self.cfg.save_every_s:
            self.save()
        if self.watch.view is not None and now - self.viewed_at >= VIEW_EVERY_S:
            self.viewed_at = now
            self.watch.view()

    def look(self) -> None:
        """Measure on held-out data, and let the model write something."""
        found: dict[str, float] = {}
        for evaluate in self.watch.evals.values():
            found |= evaluate(self.model)
        if found:
            self.metrics.log(
                "eval",
                self.step,
                **{**found, "seconds": round(self.seconds, 3), "tokens": self.tokens},
            )
            shown = " · ".join(f"{k.replace('_', ' ')} {found[k]:.3f}" for k in SHOWN if k in found)
            log.say(f"  step {self.step:,}: held-out {shown}")
        if self.watch.sample is not None:
            prompt, text = self.watch.sample(self.model)
            self.metrics.log("sample", self.step, prompt=prompt, text=text)
            log.say(f"    {' '.join((prompt + text).split())[:100]}")

    def save(self) -> None:
        """Write a checkpoint; a full disk stops training only at the second failure in a row."""
        if self.saved_step == self.step and self.failed_saves == 0 and self.step:
            return
        try:
            self.run.save(self.step, self.model, self.optimizer, self.length, self.state())
        except ResourceError as error:
            self.failed_saves += 1
            if self.failed_saves >= MAX_FAILED_SAVES:
                raise
            log.warn(f"checkpoint of step {self.step} is not written: {error}")
        else:
            self.failed_saves, self.saved_step = 0, self.step
        self.saved_at = time.perf_counter()

    def finish(self) -> None:
        """Save the end of the run, and look once more if it was not looked at yet."""
        if self.saved_step != self.step:
            self.look()
            self.failed_saves = MAX_FAILED_SAVES - 1  # the last one must succeed
            self.save()
        self.run.status("completed", force=True, step=self.step, of=self.step)
        if self.watch.view is not None:
            self.watch.view()

    def state(self) -> dict[str, Any]:
        """What a checkpoint keeps besides tensors."""
        return {
            "step": self.step,
            "tokens": self.tokens,
            "seconds": self.seconds,
            "progress": self.progress,
        }

    def bad_batch(self, batches: Batches, error: TrainingError) -> None:
        """Keep the weights from before a bad step, and the step's tokens, to look at."""
        self.save()
        rows = [
            {"ids": batch.ids, "tokens": batch.tokens.tolist(), "labels": batch.labels.tolist()}
            for batch in batches(self.step)
        ]
        folder = Path("bad-batches")
        self.run.note(
            str(folder / f"step-{self.step + 1:08}.json"), {"why": error.what, "rows": rows}
        )
        self.run.status("error", force=True, step=self.step, message=error.what)


SHOWN = ("loss", "bits_per_byte", "accuracy", "token_f1")
