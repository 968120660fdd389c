"""The stages of the demo: each is a command with its settings."""

from __future__ import annotations

import shlex
from collections.abc import Callable
from typing import Any

from danlu import files
from danlu.commands import demo, evaluate, finetune, prepare, pretrain, report, tokenizer
from danlu.errors import ConfigError
from danlu.hardware import RuntimeConfig
from danlu.train.settings import TrainConfig

Stage = tuple[str, str, Callable[[], dict[str, Any]]]


def stages(cfg: demo.Config) -> list[Stage]:
    """Name, title and work of each stage, in order."""
    out, runtime = cfg.out, RuntimeConfig(threads=cfg.threads)
    corpus, words = out / "corpus", out / "tokenizer"
    learning = pretrain.Config(
        out=out / "base",
        auto=True,
        data=pretrain.DataConfig(corpus=corpus, tokenizer=words),
        train=TrainConfig(minutes=cfg.minutes * (1 - demo.FINETUNE_SHARE), seed=cfg.seed),
        runtime=runtime,
    )
    talking = finetune.Config(
        base=out / "base",
        out=out / "chat",
        train=TrainConfig(
            minutes=cfg.minutes * demo.FINETUNE_SHARE,
            schedule="linear",
            warmup=0.05,
            evals=5,
            seed=cfg.seed,
        ),
        runtime=runtime,
    )
    return [
        ("text", "read and clean the text", lambda: prepare.run(_prepare(cfg))),
        (
            "tokenizer",
            "train a tokenizer",
            lambda: tokenizer.run(tokenizer.Config(corpus=corpus, vocab=0, out=words)),
        ),
        ("pretrain", "learn to continue text", lambda: pretrain.run(learning)),
        (
            "evaluate",
            "compare with counting n-grams",
            lambda: evaluate.run(evaluate.Config(run=out / "base", runtime=runtime)),
        ),
        ("finetune", "learn to answer", lambda: finetune.run(talking)),
        (
            "answers",
            "ask what it has not seen",
            lambda: evaluate.run(evaluate.Config(run=out / "chat", runtime=runtime)),
        ),
        ("report", "write the report", lambda: report.run(report.Config(run=out))),
    ]


def _prepare(cfg: demo.Config) -> prepare.Config:
    return prepare.Config(paths=cfg.paths, out=cfg.out / "corpus")


def claim(cfg: demo.Config) -> None:
    """Make the folder this demo's, or see that it is.

    Raises:
        ConfigError: it holds another demo, or something else.
    """
    path = cfg.out / "demo.json"
    if path.is_file():
        before = files.read_json(path)
        if before == demo.request(cfg):
            return
        wrong = {k: v for k, v in demo.request(cfg).items() if before.get(k) != v}
        raise ConfigError(
            f"{cfg.out} holds another demo",
            got="; ".join(f"{k}: {before.get(k)} → {v}" for k, v in wrong.items()),
            fix="choose another --out",
        )
    if cfg.out.exists() and (not cfg.out.is_dir() or any(cfg.out.iterdir())):
        raise ConfigError(f"{cfg.out} is not empty and holds no demo", fix="choose another --out")
    demo.remember(cfg)
    words = ["danlu", "demo", *map(str, cfg.paths), "--minutes", f"{cfg.minutes:g}"]
    words += ["--seed", str(cfg.seed), "--out", str(cfg.out)]
    files.write_json(cfg.out / "commands.json", [shlex.join(words)])


def summary(cfg: demo.Config, results: dict[str, Any]) -> dict[str, Any]:
    """The table at the end."""
    text, learned = results["text"], results["pretrain"]
    found = files.read_json(cfg.out / "base" / "eval.json")
    answers = files.read_json(cfg.out / "chat" / "eval.json")["answers"]
    planned = files.read_json(cfg.out / "base" / "plan.json")
    rival = found["baselines"][-1]
    return {
        "text": f"{text['read']['documents']:,} documents read, "
        f"{text['kept']['documents']:,} kept ({text['kept']['bytes'] / 1e6:.1f} MB)",
        "tokenizer": f"{results['tokenizer']['vocab_size']:,} tokens, "
        f"{results['tokenizer']['bytes_per_token']:.2f} bytes each",
        "model": f"{learned['parameters']:,} parameters, {learned['tokens']:,} tokens seen",
        "training_time": f"{learned['seconds'] / 60:.1f} minutes "
        f"(planned {planned['predicted']['seconds'] / 60:.1f})",
        "memory": f"{learned['memory_bytes'] / 1e9:.2f} GB "
        f"(planned {planned['predicted']['memory_bytes'] / 1e9:.2f})",
        "held_out": f"{found['bits_per_byte']:.3f} bits per byte, "
        f"next-token accuracy {found['accuracy']:.1%}",
        rival["name"]: f"{rival['bits_per_byte']:.3f} bits per byte",
        "verdict": found["verdict"]["en"],
        "answers": f"token F1 {answers['before']['token_f1']:.3f} before, "
        f"{answers['after']['token_f1']:.3f} after, "
        f"{answers['baseline']['token_f1']:.3f} {answers['baseline']['name']}",
        "report": results["report"]["report"],
        "next": [
            f"danlu chat {cfg.out / 'chat'}",
            f"danlu report {cfg.out} --open",
            f"danlu generate {cfg.out / 'base'} --samples 3",
        ],
    }
