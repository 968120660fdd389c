"""A conversation with a model: its turns, and answers as they come."""

from __future__ import annotations

from collections.abc import Iterator

from torch import nn

from danlu.generate.settings import Sampling
from danlu.generate.text import stream_text
from danlu.tokenizer import Tokenizer, encode_chat
from danlu.types import Message


class Conversation:
    """Remembers what was said; the oldest exchanges are forgotten when the context is full.

    Args:
        model: a fine-tuned model.
        tokenizer: with a chat template.
        sampling: how answers are chosen.
        system: what the model is told first.
    """

    def __init__(
        self, model: nn.Module, tokenizer: Tokenizer, sampling: Sampling, *, system: str = ""
    ) -> None:
        self.model, self.tokenizer, self.sampling = model, tokenizer, sampling
        self._system = [Message("system", system)] if system else []
        self._turns: list[Message] = []

    def ask(self, question: str) -> Iterator[str]:
        """The answer to a question, piece by piece; both join the conversation.

        Raises:
            DataError: the question alone is longer than the model's context.
        """
        self._turns.append(Message("user", question))
        prompt = self._prompt()
        room = int(self.model.config.max_len) - len(prompt)  # type: ignore[union-attr, arg-type]
        sampling = self.sampling.model_copy(
            update={"max_tokens": max(min(self.sampling.max_tokens, room), 1)}
        )
        answer = ""
        for piece in stream_text(self.model, self.tokenizer, prompt, sampling):
            answer += piece
            yield piece
        self._turns.append(Message("assistant", answer))

    def clear(self) -> None:
        """Begin a new conversation."""
        self._turns = []

    def _prompt(self) -> list[int]:
        """The conversation as ids, without the oldest exchanges if they leave no room."""
        limit = int(self.model.config.max_len) // 2  # type: ignore[union-attr, arg-type]
        while True:
            messages = [*self._system, *self._turns]
            ids = encode_chat(self.tokenizer, messages, add_generation_prompt=True).ids
            if len(ids) <= limit or len(self._turns) <= 2:
                return ids
            self._turns = self._turns[2:]
