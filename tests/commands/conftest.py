"""A demo on a small folder of texts, run once, with every way to the network shut."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from command_examples import Demo, write_texts

from danlu import cli


def no_network(*args: Any, **kw: Any) -> Any:
    raise AssertionError("the demo must not use the network")


@pytest.fixture(scope="session")
def texts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_texts(tmp_path_factory.mktemp("demo") / "texts")


@pytest.fixture(scope="session")
def demo(texts: Path) -> Iterator[Demo]:
    out = texts.parent / "runs" / "demo"
    words = ["demo", str(texts), "--minutes", "0.05", "--out", str(out)]
    with pytest.MonkeyPatch.context() as patch:
        for name in ("connect", "connect_ex", "bind", "sendto"):
            patch.setattr(socket.socket, name, no_network)
        patch.setattr(socket, "getaddrinfo", no_network)
        patch.setattr(socket, "create_connection", no_network)
        assert cli.main(words) == 0
    yield Demo(words, out, texts)
