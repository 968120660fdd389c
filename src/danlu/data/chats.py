"""Batches for instruction tuning: conversations packed into rows, loss on answers only.

Several conversations share a row; they do not see each other (`segments`) and each counts its own
positions. A conversation that is longer than a row is left out and counted: cutting it would cut
off the end token, and a model that never learns to stop never stops.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
import numpy.typing as npt

from danlu import log
from danlu.data import encoding
from danlu.data.batches import row_numbers
from danlu.errors import DataError
from danlu.files import explained
from danlu.tokenizer import Encoded, Tokenizer, encode_chat
from danlu.types import IGNORE, Batch, Message

ROLES = ("system", "user", "assistant")


@dataclass(frozen=True, slots=True)
class Chat:
    """One conversation, with where it came from."""

    messages: tuple[Message, ...]
    id: str


def read(path: Path) -> list[Chat]:
    """Conversations of a JSON-lines file of `{"messages": [{"role": …, "content": …}, …]}`.

    Raises:
        DataError: the file is missing, empty, in an unknown encoding, or a line is wrong; the
            message gives its number.
    """
    with explained(path, "read"):
        if not path.is_file():
            raise DataError(f"no file {path}", expected="a .jsonl file of conversations")
        text, codec = encoding.decode(path.read_bytes(), name=str(path))
    if not codec.startswith("utf-8"):
        log.say(f"{path} is read as {encoding.NAMES[codec]}")
    lines = ((number, line) for number, line in enumerate(text.split("\n"), 1) if line.strip())
    chats = [_chat(f"{path}:{number}", line) for number, line in lines]
    if not chats:
        raise DataError(f"{path} holds no conversations")
    return chats


def _chat(where: str, line: str) -> Chat:
    expected = '{"messages": [{"role": "user", "content": "…"}, {"role": "assistant", …}]}'
    try:
        row = json.loads(line)
        messages = tuple(Message(m["role"], m["content"]) for m in row["messages"])
    except (ValueError, KeyError, TypeError, RecursionError):
        raise DataError(f"{where} is no conversation", got=line[:80], expected=expected) from None
    for message in messages:
        if message.role not in ROLES:
            raise DataError(
                f"{where} has a wrong role", got=message.role, expected=", ".join(ROLES)
            )
        if not isinstance(message.content, str):
            raise DataError(
                f"{where} has a message that is no text", got=message.content, expected="text"
            )
    answers = [m for m in messages if m.role == "assistant"]
    if not answers or not all(m.content.strip() for m in answers):
        raise DataError(f"{where} has no answer to learn from", got=line[:80], expected=expected)
    return Chat(messages, str(row.get("id", where)))


class ChatBatches:
    """Step → micro-batches of packed conversations, as a pure function of the step.

    Args:
        chats: the conversations.
        tokenizer: with a chat template.
        context: T, tokens in a row.
        rows: rows in a step, over all ranks.
        micro_rows: rows in a micro-batch; 0: all.
        seed: of the packing and the order.
        rank, world: this process takes rows rank, rank + world, …

    Raises:
        DataError: no conversation fits into a row.
        ConfigError: there are more ranks than rows.
    """

    def __init__(
        self,
        chats: Sequence[Chat],
        tokenizer: Tokenizer,
        *,
        context: int,
        rows: int,
        micro_rows: int = 0,
        seed: int = 0,
        rank: int = 0,
        world: int = 1,
    ) -> None:
        self.context, self.rows, self.seed = context, rows, seed
        self._parts = row_numbers(rows, micro_rows or rows, rank=rank, world=world)
        self.pad_id = tokenizer.pad_id
        encoded = [(encode_chat(tokenizer, chat.messages), chat.id) for chat in chats]
        fitting = [pair for pair in encoded if len(pair[0].ids) <= context]
        self.count, self.dropped = len(fitting), len(encoded) - len(fitting)
        if not fitting:
            shortest = min((len(chat.ids) for chat, _ in encoded), default=0)
            raise DataError(
                "no conversation fits into a row",
                got=f"the shortest has {shortest} tokens" if encoded else "no conversations",
                expected=f"at most {context}",
                fix="raise train.context, or shorten the conversations",
            )
        generator = np.random.Generator(np.random.PCG64([seed]))
        shuffled = [fitting[i] for i in generator.permutation(len(fitting))]
        self.packed = list(_packed(shuffled, context))
        self.epoch_rows = len(self.packed)
        self._order = lru_cache(maxsize=2)(self._shuffled)

    def __call__(self, step: int) -> list[Batch]:
        """This rank's micro-batches of a step."""
        return [self._batch(part) for part in self._parts(step)]

    def _batch(self, rows: npt.NDArray[np.int64]) -> Batch:
        chosen = [
            self.packed[self._order(int(row) // self.epoch_rows)[int(row) % self.epoch_rows]]
            for row in rows
        ]
        shape = (len(chosen), self.context)
        tokens = np.full(shape, self.pad_id, np.int32)
        labels = np.full(shape, IGNORE, np.int32)
        positions, segments = np.zeros(shape, np.int32), np.zeros(shape, np.int32)
        for row, chats in enumerate(chosen):
            at = 0
            for number, (chat, _) in enumerate(chats, 1):
                end = at + len(chat.ids)
                tokens[row, at:end], labels[row, at : end - 1] = chat.ids, _labels(chat)
                positions[row, at:end], segments[row, at:end] = np.arange(end - at), number
                at = end
        ids = [name for chats in chosen for _, name in chats]
        return Batch(tokens, labels, positions, segments, ids)

    def _shuffled(self, epoch: int) -> npt.NDArray[np.int64]:
        generator = np.random.Generator(np.random.PCG64([self.seed, 1, epoch]))
        return generator.permutation(self.epoch_rows)


def _labels(chat: Encoded) -> npt.NDArray[np.int32]:
    """[length - 1]: the next token where it is part of an answer, else IGNORE."""
    ids, trained = np.asarray(chat.ids, np.int32), np.asarray(chat.trained)
    return np.where(trained[1:], ids[1:], IGNORE)


def _packed(
    chats: Iterable[tuple[Encoded, str]], context: int
) -> Iterator[list[tuple[Encoded, str]]]:
    """Fill rows in order; a conversation goes into the first of 16 open rows that has room."""
    open_rows: list[tuple[int, list[tuple[Encoded, str]]]] = []
    for chat in chats:
        length = len(chat[0].ids)
        for place, (used, row) in enumerate(open_rows):
            if used + length <= context:
                row.append(chat)
                open_rows[place] = (used + length, row)
                break
        else:
            if len(open_rows) == 16:
                fullest = max(range(16), key=lambda i: open_rows[i][0])
                yield open_rows.pop(fullest)[1]
            open_rows.append((length, [chat]))
    yield from (row for _, row in open_rows)


def pairs(chats: Sequence[Chat]) -> list[tuple[str, str]]:
    """(question, answer) of each conversation's last exchange, for metrics."""
    found = []
    for chat, turns in zip(chats, questions(chats), strict=True):
        question = next((m.content for m in reversed(turns) if m.role == "user"), "")
        found.append((question, chat.messages[len(turns)].content))
    return found


def questions(chats: Sequence[Chat]) -> list[list[Message]]:
    """Each conversation up to where its last answer begins."""
    ends = [max(i for i, m in enumerate(c.messages) if m.role == "assistant") for c in chats]
    return [list(chat.messages[:end]) for chat, end in zip(chats, ends, strict=True)]
