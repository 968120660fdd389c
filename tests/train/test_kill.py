"""`danlu pretrain` that is killed at random moments ends with the bytes of a run that never was.

The default suite kills 3 times; `make soak` (pytest -m soak) 20 times. `DANLU_KILL_SEED` chooses
other moments. Signals that ask are here too, for the exit codes of the command line.
"""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from danlu import cli, files
from danlu.commands import tokenizer as tokenizer_command
from danlu.data import prepare
from danlu.data.settings import PrepareSettings

SEED = int(os.environ.get("DANLU_KILL_SEED", "0"))
STEPS_A_KILL = 60
WORDS = ("the", "fox", "saw", "ripe", "grapes", "on", "a", "high", "vine", "and", "went", "away")


@pytest.fixture(scope="module")
def home() -> Iterator[Path]:
    """A folder with a corpus and its tokenizer."""
    shared = Path("/dev/shm")
    where = shared if os.access(shared, os.W_OK) else None
    with tempfile.TemporaryDirectory(dir=where) as name:
        home = Path(name)
        (home / "text").mkdir()
        generator = random.Random(0)
        for number in range(40):
            text = " ".join(generator.choices(WORDS, k=120))
            (home / "text" / f"{number}.txt").write_text(f"{text}.\n")
        corpus = prepare.prepare([home / "text"], home / "corpus", PrepareSettings(held_out=0.1))
        tokenizer_command.make(corpus, home / "tokenizer", vocab=300)
        import_what_children_need()
        yield home


def import_what_children_need() -> None:
    """What takes seconds to import is imported before forking."""
    import torch
    from torch.optim import SGD

    from danlu import report  # noqa: F401
    from danlu.commands import _text, pretrain  # noqa: F401
    from danlu.evaluate import perplexity  # noqa: F401
    from danlu.generate import text  # noqa: F401
    from danlu.train import bigram_start, fit  # noqa: F401
    from danlu.tune import planner  # noqa: F401

    SGD([torch.zeros(1)])  # torch imports its compiler for the first optimizer


def words(home: Path, out: Path, steps: int) -> list[str]:
    """The command line of a run, the same for each of its sessions."""
    options: dict[str, Any] = {
        "out": out,
        "data.corpus": home / "corpus",
        "data.tokenizer": home / "tokenizer",
        **{"model.d-model": 16, "model.n-layers": 1, "model.n-heads": 1, "model.n-kv-heads": 1},
        **{"model.head-dim": 16, "model.d-ff": 32, "model.max-len": 32, "model.dropout": 0.1},
        **{"train.context": 32, "train.batch-tokens": 96, "train.micro-tokens": 64},
        **{"train.steps": steps, "train.save-every-s": 0.05, "train.evals": 2},
        **{"runtime.threads": 1, "runtime.device": "cpu"},
    }
    return [
        "pretrain",
        *(str(part) for key, value in options.items() for part in (f"--{key}", value)),
    ]


def in_a_child(argv: list[str], meanwhile: Callable[[int], None] = lambda pid: None) -> int:
    """The exit code of the command line in a forked process, which has torch already."""
    pid = os.fork()
    if not pid:
        os._exit(cli.main(["-q", *argv]))
    meanwhile(pid)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def tensors(out: Path, step: int) -> dict[str, bytes]:
    """The files of the checkpoint of a step that must be the same to the byte."""
    folder = out / "checkpoints" / f"step-{step:08}"
    return {path.name: path.read_bytes() for path in folder.rglob("*.safetensors")}


def losses(out: Path) -> dict[int, tuple[float, ...]]:
    rows = [r for r in files.read_jsonl(out / "metrics.jsonl") if r["kind"] == "train"]
    return {row["step"]: (row["loss"], row["grad_norm"], row["lr"]) for row in rows}


def newest_step(out: Path) -> int:
    """The last step that is in the log; a torn line does not count."""
    rows = files.read_jsonl(out / "metrics.jsonl")
    return max((row["step"] for row in rows[-1:]), default=0)


def sessions(out: Path) -> int:
    return max((row["session"] for row in files.read_jsonl(out / "metrics.jsonl")), default=0)


@pytest.mark.parametrize("kills", [3, pytest.param(20, marks=pytest.mark.soak)])
@pytest.mark.timeout(900)
def test_sigkill_at_random_moments(home: Path, kills: int) -> None:
    steps, generator = STEPS_A_KILL * kills, random.Random(f"{SEED}/{kills}")
    whole, out = home / f"whole-{kills}", home / f"killed-{kills}"
    assert in_a_child(words(home, whole, steps)) == 0
    command = [sys.executable, "-m", "danlu", *words(home, out, steps)]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""}
    for number in range(kills):
        environment["PYTHONHASHSEED"] = str(generator.randrange(1 << 32))
        process = subprocess.Popen(command, env=environment, stderr=subprocess.PIPE)
        try:
            kill_somewhere(process, out, generator, early=number % 4 == 0)
        finally:
            process.kill()
        _, said = process.communicate()
        assert process.returncode == -signal.SIGKILL, said.decode()
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert sessions(out) > kills - len(range(0, kills, 4))
    assert tensors(out, steps) == tensors(whole, steps) and len(tensors(out, steps)) == 2
    assert losses(out) == losses(whole) and list(losses(whole)) == list(range(1, steps + 1))
    assert (out / "model.safetensors").read_bytes() == tensors(whole, steps)["model.safetensors"]
    assert files.read_json(out / "status.json")["phase"] == "completed"
    left = [p for p in out.rglob("*") if p.name.startswith(".") or p.name.endswith(".new")]
    assert left == []


def kill_somewhere(
    process: subprocess.Popen[bytes], out: Path, generator: random.Random, *, early: bool
) -> None:
    """SIGKILL at any moment of the first seconds, or some steps after training began."""
    if early:
        time.sleep(generator.uniform(0.0, 6.0))
        process.kill()
        return
    before, ahead = sessions(out), generator.randint(1, 30)
    first = None
    while process.poll() is None:
        if sessions(out) > before:
            step = newest_step(out)
            first = step if first is None else first
            if step >= first + ahead:
                break
        time.sleep(0.002)
    time.sleep(generator.uniform(0.0, 0.03))
    process.kill()


@pytest.mark.parametrize(
    ("number", "twice", "code"),
    [
        (signal.SIGTERM, False, 143),
        (signal.SIGINT, False, 130),
        (signal.SIGTERM, True, 143),
    ],
)
def test_signals_end_with_their_codes_and_lose_nothing(
    home: Path, tmp_path: Path, number: int, twice: bool, code: int
) -> None:
    out, steps = tmp_path / "run", 40
    if not (home / "signals").exists():
        assert in_a_child(words(home, home / "signals", steps)) == 0

    def ask(pid: int) -> None:
        while newest_step(out) < 5:
            time.sleep(0.002)
        os.kill(pid, number)
        if twice:
            os.kill(pid, number)

    assert in_a_child(words(home, out, steps), ask) == code
    stopped = newest_step(out)
    assert stopped < steps
    if not twice:
        assert files.read_json(out / "status.json")["phase"] == "stopped"
        assert len(tensors(out, stopped)) == 2
    assert in_a_child(words(home, out, steps)) == 0
    assert tensors(out, steps) == tensors(home / "signals", steps)


def test_two_commands_in_one_folder(home: Path, tmp_path: Path) -> None:
    with files.Lock(tmp_path / "run"):
        assert in_a_child(words(home, tmp_path / "run", 5)) == 4
