"""Train to the end of a run: the loop, and what is done around it now and then.

Evaluation, samples, checkpoints and the log never change what is trained: with them on or off the
weights come out the same, bit for bit.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from torch import nn

from danlu import log
from danlu.errors import ConfigError, ResourceError, Stopped, TrainingError
from danlu.models.hub import Model
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
SHOWN = ("loss", "bits_per_byte", "accuracy", "token_f1")
"""What of an evaluation is said aloud."""

Eval = Callable[[nn.Module], dict[str, float]]
"""A measurement on held-out data; its figures go into the log under their names, where an earlier
one has the same name with that of the evaluation before it."""


class EpochBatches(Protocol):
    """Batches that know how long an epoch is; see `data.batches` and `data.chats`."""

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


def horizon(cfg: TrainConfig, batches: EpochBatches) -> Horizon:
    """How long the run is.

    Raises:
        ConfigError: none of steps, tokens, epochs and minutes is given.
    """
    if cfg.minutes is not None:
        return Minutes(cfg.minutes)
    if cfg.steps is not None:
        return Steps(cfg.steps)
    if cfg.tokens is not None:
        return Steps(max(round(cfg.tokens / (batches.rows * cfg.context)), 1))
    if cfg.epochs is not None:
        return Steps(max(round(cfg.epochs * batches.epoch_rows / batches.rows), 1))
    raise ConfigError(
        "the length of the run is missing",
        expected="one of train.steps, train.tokens, train.epochs, train.minutes",
        fix="--train.minutes 10",
    )


def fit(
    model: Model,
    objective: Objective,
    batches: EpochBatches,
    optimizer: Optimizer,
    cfg: TrainConfig,
    *,
    runtime: Runtime,
    run: Run,
    watch: Watch | None = None,
) -> dict[str, Any]:
    """Train until the run is over; returns its last state: step, tokens, seconds and so on.

    Continues from the newest checkpoint of the run folder. If the run is already over, nothing is
    done.

    Raises:
        Stopped: somebody asked to; everything is saved.
        TrainingError: a loss is not finite; a checkpoint from before it is saved.
        ResourceError: two checkpoints in a row could not be written, or the last one.
    """
    length = horizon(cfg, batches)
    begun = run.restore(model, optimizer, length)
    loop = _Loop(model, optimizer, cfg, run=run, watch=watch or Watch(), length=length, begun=begun)

    def factor(progress: float) -> float:
        warmup = cfg.warmup if cfg.warmup < 1 else length.share(cfg.warmup)
        return schedules.factor(cfg.schedule, progress, warmup=min(warmup, 1.0), final=cfg.final)

    stream = steps(
        model,
        objective,
        batches,
        optimizer,
        horizon=length,
        factor=factor,
        runtime=runtime,
        seed=cfg.seed,
        start=loop.step,
    )
    try:
        with interruptible() as asked, loop.bar:
            for info in stream:
                loop.after(info)
                if asked.signal:
                    loop.stop(asked.signal)
            loop.finish()
    except (TrainingError, ResourceError) as error:
        if isinstance(error, TrainingError):
            loop.keep_bad_step(batches, error)
        run.status("error", force=True, step=loop.step, message=error.what)
        raise
    finally:
        loop.metrics.close()
    return loop.saved


class _Loop:
    """What is done after each step, and at the end of a session."""

    def __init__(
        self,
        model: Model,
        optimizer: Optimizer,
        cfg: TrainConfig,
        *,
        run: Run,
        watch: Watch,
        length: Horizon,
        begun: Mapping[str, Any],
    ) -> None:
        self.model, self.optimizer, self.cfg = model, optimizer, cfg
        self.run, self.watch, self.length = run, watch, length
        self.step, self.tokens = int(begun.get("step", 0)), int(begun.get("tokens", 0))
        self.before_s = float(begun.get("seconds", 0.0))
        self.progress = float(begun.get("progress", 0.0))
        self.looked: int | None = begun.get("looked")
        self.saved = dict(begun)
        self.failed_saves = 0
        self.smooth: float | None = None
        self.peak_lr = max((row["lr"] for row in optimizer.table()), default=0.0)
        self.metrics = log.Metrics(run.folder, cfg.trackers)
        self.bar = log.Progress(watch.name, 1.0, done=self.progress)
        self.began = self.saved_at = self.viewed_at = time.perf_counter()

    @property
    def seconds(self) -> float:
        """Seconds of training, earlier sessions included."""
        return self.before_s + time.perf_counter() - self.began

    def _state(self) -> dict[str, Any]:
        """What a checkpoint keeps besides tensors."""
        return {
            "step": self.step,
            "tokens": self.tokens,
            "seconds": self.seconds,
            "progress": self.progress,
            "looked": self.looked,
        }

    def after(self, info: StepInfo) -> None:
        """Log a step; look, save and show when it is time. The last step is left to `finish`."""
        self.step, self.tokens = info.step, self.tokens + info.tokens
        self.length.tick(self.seconds)
        before, self.progress = self.progress, self.length.progress(self.step)
        self._log(info)
        if self.progress >= 1:
            return
        if int(self.progress * self.cfg.evals) > int(before * self.cfg.evals):
            self.look()
        now = time.perf_counter()
        if now - self.saved_at >= self.cfg.save_every_s:
            self.save()
        if self.watch.view is not None and now - self.viewed_at >= VIEW_EVERY_S:
            self.viewed_at = now
            self.watch.view()

    def _log(self, info: StepInfo) -> None:
        speed = info.tokens / max(info.seconds, 1e-9)
        self.smooth = info.loss if self.smooth is None else 0.95 * self.smooth + 0.05 * info.loss
        self.metrics.log(
            "train",
            info.step,
            seconds=round(self.seconds, 3),
            tokens=self.tokens,
            loss=info.loss,
            lr=info.factor * self.peak_lr,
            grad_norm=info.grad_norm,
            tokens_per_s=round(speed, 1),
            memory_bytes=peak_memory_bytes(),
            **info.metrics,
        )
        total = self.length.total(self.step)
        note = f"step {self.step:,}/{total:,} · loss {self.smooth:.3f} · {speed:,.0f} tokens/s"
        self.bar.update(self.progress, note)
        self._status("training")

    def _status(self, phase: str, *, force: bool = False) -> None:
        total, left_s = self.length.total(self.step), self.bar.left_s
        self.run.status(
            phase, force=force, step=self.step, of=total, eta_s=left_s, loss=self.smooth
        )

    def look(self) -> None:
        """Measure on held-out data, and let the model write something."""
        self._status("evaluating", force=True)
        found: dict[str, float] = {}
        for name, evaluate in self.watch.evals.items():
            figures = evaluate(self.model)
            found |= {f"{name}_{k}" if k in found else k: v for k, v in figures.items()}
        if found:
            when = {"seconds": round(self.seconds, 3), "tokens": self.tokens}
            self.metrics.log("eval", self.step, **{**found, **when})
            shown = " · ".join(f"{k.replace('_', ' ')} {found[k]:.3f}" for k in SHOWN if k in found)
            log.say(f"  step {self.step:,}: held-out {shown or 'measured'}")
        if self.watch.sample is not None:
            prompt, text = self.watch.sample(self.model)
            self.metrics.log("sample", self.step, prompt=prompt, text=text)
            log.say(f"    {' '.join((prompt + text).split())[:100]}")
        self.looked = self.step

    def save(self, *, must: bool = False) -> None:
        """Write a checkpoint, if the newest is not of now.

        On a full disk training goes on, unless it `must` be written or the one before failed too.
        """
        state = self._state()
        if all(self.saved.get(name) == state[name] for name in ("step", "looked")):
            return
        try:
            self.run.save(self.model, self.optimizer, self.length, state)
        except ResourceError as error:
            self.failed_saves += 1
            if must or self.failed_saves >= MAX_FAILED_SAVES:
                raise self._unsaved(error) from error
            log.warn(f"the checkpoint of step {self.step} is not written: {error}")
        else:
            self.failed_saves, self.saved = 0, state
        self.saved_at = time.perf_counter()

    def _unsaved(self, error: ResourceError) -> ResourceError:
        """The same error, with the step that a run goes on from when it is mended."""
        last = f"step {self.saved['step']}" if self.saved else "the beginning"
        said = ResourceError(
            f"the checkpoint of step {self.step} cannot be written",
            got=error.what,
            fix=f"{error.fix or 'mend that'}; the same command then goes on from {last}",
        )
        said.errno = error.errno
        return said

    def stop(self, signal: int) -> None:
        """Save and raise Stopped."""
        self.save(must=True)
        self._status("stopped", force=True)
        raise Stopped(
            f"stopped after step {self.step}; nothing is lost",
            signal=signal,
            fix=f"to go on: {self.run.resume}",
        )

    def finish(self) -> None:
        """Look at the end of the run and save it, if an earlier session has not."""
        if self.looked != self.step:
            self.look()
        self.save(must=True)
        self.run.status("completed", force=True, step=self.step, of=self.step)
        if self.watch.view is not None:
            self.watch.view()

    def keep_bad_step(self, batches: EpochBatches, error: TrainingError) -> None:
        """Keep the weights from before a step that cannot be taken, and the step's tokens."""
        rows = [
            {"ids": batch.ids, "tokens": batch.tokens.tolist(), "labels": batch.labels.tolist()}
            for batch in batches(self.step)
        ]
        name = f"bad-batches/step-{self.step + 1:08}.json"
        try:
            self.save(must=True)
            self.run.note(name, {"why": error.what, "rows": rows})
        except ResourceError as full:
            log.warn(f"what led to the error is not kept: {full}")
