"""From a conversation to token ids: one renderer for training, evaluation and serving.

The template is Jinja, as it travels in the model folder; `template` keeps it in. What people write
can never become a control token: the rendered text is cut at the template's own special tokens, and
the rest is encoded as plain text. If a message contains the spelling of a special token, an unused
character is put inside that spelling before rendering and taken out afterwards.

Training and serving agree by construction: an answer is encoded apart from the prompt before it,
exactly as a model sees its prompt and then writes.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, get_args, get_type_hints

from danlu.errors import DataError
from danlu.tokenizer.template import compiled
from danlu.types import Message

if TYPE_CHECKING:
    from danlu.tokenizer.tokenizer import Tokenizer

ROLES = get_args(get_type_hints(Message)["role"])

NONCHARACTERS = [chr(c) for c in range(0xFDD0, 0xFDF0)]
"""Code points that Unicode reserves for such internal use; text should never hold them."""


WHITE = "\t\n\v\f\r \x85\xa0\u1680" + "".join(map(chr, range(0x2000, 0x200B)))
WHITE += "\u2028\u2029\u202f\u205f\u3000"
"""What Unicode calls white space, which the library takes away behind some special tokens."""


@dataclass(slots=True)
class Encoded:
    """A conversation as ids; `trained[i]`: token i is part of an answer or ends one."""

    ids: list[int]
    trained: list[bool]


def encode_chat(
    tokenizer: Tokenizer, messages: Sequence[Message], *, add_generation_prompt: bool = False
) -> Encoded:
    """The ids of a conversation, with the assistant's answers marked as trained.

    With `add_generation_prompt` the ids end where the assistant's next answer begins.

    Raises:
        DataError: the tokenizer has no chat template, or the template refuses the conversation.
    """
    render = _Renderer(tokenizer, messages)
    result = Encoded([], [])
    done = 0  # characters of the whole conversation that are encoded
    whole = render(len(messages), add_generation_prompt)
    for index, message in enumerate(messages):
        if message.role == "assistant":
            before = render(index, True)
            after = render(index + 1, False)
            if not (whole.startswith(before) and whole.startswith(after) and len(before) >= done):
                raise DataError(
                    "the chat template rewrites earlier turns, so answers cannot be told apart",
                    expected="a template that renders a conversation from left to right",
                )
            render.add(result, whole[done : len(before)], trained=False)
            render.add(result, whole[len(before) : len(after)], trained=True)
            done = len(after)
    render.add(result, whole[done:], trained=False)
    return result


class _Renderer:
    """Renders the first n messages, and encodes pieces of what was rendered."""

    def __init__(self, tokenizer: Tokenizer, messages: Sequence[Message]) -> None:
        if tokenizer.chat_template is None:
            raise DataError(
                "this tokenizer has no chat template", fix="use a fine-tuned chat model"
            )
        for message in messages:
            if message.role not in ROLES:
                raise DataError(
                    "a message has an unknown role", got=message.role, expected=", ".join(ROLES)
                )
        self.tokenizer, self.messages = tokenizer, messages
        self.template = compiled(tokenizer.chat_template)
        names = sorted(tokenizer.special, key=len, reverse=True)
        self.split = re.compile("(" + "|".join(map(re.escape, names)) + ")")
        content = "".join(message.content for message in messages)
        self.mark = next((c for c in NONCHARACTERS if c not in content), "")
        if not self.mark:
            raise DataError("a message holds all of Unicode's noncharacters", fix="clean the text")
        self.names = names
        self.escape = self._needs_escape()

    def __call__(self, count: int, add_generation_prompt: bool) -> str:
        return self._render(self.messages[:count], add_generation_prompt, self.escape)

    def add(self, result: Encoded, text: str, *, trained: bool) -> None:
        """Encode rendered text; of an answer, what follows its last control token is not trained.

        That token ends the turn, whatever the family calls it.
        """
        pieces = list(self._pieces(text))
        end = max((n for n, (_, control) in enumerate(pieces) if control), default=len(pieces))
        for number, (piece, is_control) in enumerate(pieces):
            ids = [self.tokenizer.special[piece]] if is_control else self._plain(piece, result.ids)
            result.ids += ids
            result.trained += [trained and number <= end] * len(ids)

    def _plain(self, text: str, before: list[int]) -> list[int]:
        """The ids of a text behind others, as if all had been encoded together."""
        if before and before[-1] in self.tokenizer.controls.swallows:
            text = text.lstrip(WHITE)
        return self.tokenizer.encode(text, inside=not self.tokenizer.begins(before))

    def _pieces(self, text: str) -> Iterator[tuple[str, bool]]:
        for number, piece in enumerate(self.split.split(text)):
            if piece:
                is_control = number % 2 == 1
                yield (piece if is_control else piece.replace(self.mark, "")), is_control

    def _needs_escape(self) -> bool:
        """Whether messages could add control tokens to the template's own."""
        blank = [Message(m.role, "x" if m.content.strip() else m.content) for m in self.messages]
        own = self.split.findall(self._render(blank, True, False))
        return own != self.split.findall(self._render(self.messages, True, False))

    def _render(self, messages: Sequence[Message], prompt: bool, escape: bool) -> str:
        rows = [
            {"role": m.role, "content": self._escaped(m.content) if escape else m.content}
            for m in messages
        ]
        config = self.tokenizer.config
        tokens = {key: _text(config.get(key)) for key in ("bos_token", "eos_token", "pad_token")}
        given = {"messages": rows, "add_generation_prompt": prompt, "tools": None, **tokens}
        return self.template(given)

    def _escaped(self, content: str) -> str:
        """Put the mark behind each character that could begin a special token, and at both ends."""
        firsts = "".join({re.escape(name[0]) for name in self.names})
        inner = re.sub(f"([{firsts}])", lambda match: match[1] + self.mark, content)
        return f"{self.mark}{inner}{self.mark}"


def _text(value: Any) -> str:
    return str(value["content"]) if isinstance(value, dict) else str(value or "")
