"""Talk with a fine-tuned model in the terminal.

    danlu chat runs/demo/chat
    danlu chat runs/demo/chat --question "What does os.path.join do?"
    echo "What does os.path.join do?" | danlu chat runs/demo/chat

An empty line or Ctrl-D ends it; /new begins a new conversation.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tyro.conf import Positional

from danlu import config, log
from danlu.generate.settings import Sampling
from danlu.hardware import RuntimeConfig


class Config(config.Config):
    """Settings of `danlu chat`."""

    run: Positional[Path]
    """A fine-tuned run folder, or any chat model's folder."""

    question: str = ""
    """Ask this and stop."""

    system: str = ""
    """What the model is told before the conversation."""

    sampling: Sampling = Sampling(temperature=0.3, max_tokens=200)
    runtime: RuntimeConfig = RuntimeConfig()


def run(cfg: Config) -> dict[str, Any]:
    """Answer questions from `question`, the terminal or a pipe."""
    from danlu.generate.chat import Conversation
    from danlu.models import hub
    from danlu.runtime import Runtime

    runtime = Runtime.start(cfg.runtime)
    loaded = hub.load(cfg.run, device=runtime.device)
    conversation = Conversation(loaded.model, loaded.tokenizer, cfg.sampling, system=cfg.system)
    answers = []
    for question in _questions(cfg):
        if question == "/new":
            conversation.clear()
            continue
        pieces = []
        for piece in conversation.ask(question):
            pieces.append(piece)
            log.write(piece)
        log.write("\n")
        answers.append({"question": question, "answer": "".join(pieces)})
    return {"answers": answers}


def show(result: dict[str, Any]) -> None:
    """Nothing more: the answers are printed as they come."""


def _questions(cfg: Config) -> Iterator[str]:
    if cfg.question:
        yield cfg.question
    elif sys.stdin.isatty():
        log.say(f"{cfg.run}: ask something; an empty line ends it")
        while True:
            try:
                line = input("> ").strip()
            except EOFError:
                return
            if not line:
                return
            yield line
    else:
        yield from (line.strip() for line in sys.stdin if line.strip())
