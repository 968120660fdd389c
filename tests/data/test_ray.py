"""A cluster of two nodes gives the bytes of one process, also when a worker is killed."""

from __future__ import annotations

import contextlib
import os
import signal
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from test_executors import content, texts

from danlu.data import executors, portions
from danlu.data.prepare import prepare
from danlu.data.shards import tokenize
from danlu.errors import ResourceError
from danlu.tokenizer import train

ray = pytest.importorskip("ray")


@pytest.fixture(scope="module")
def cluster() -> Iterator[Any]:
    """Two nodes of one processor each, on this machine."""
    from ray.cluster_utils import Cluster

    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    nodes = Cluster(initialize_head=True, head_node_args={"num_cpus": 1})
    nodes.add_node(num_cpus=1)
    ray.init(address=nodes.address, log_to_driver=False, logging_level="error")
    yield nodes
    ray.shutdown()
    nodes.shutdown()


@pytest.mark.filterwarnings("ignore")
def test_two_nodes_give_the_bytes_of_one_process_even_if_a_worker_is_killed(
    tmp_path: Path, cluster: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(portions, "PORTION_BYTES", 8_000)
    folder = texts(tmp_path / "in")
    whole = content(prepare([folder], tmp_path / "one").folder)

    killed: list[int] = []
    done = threading.Event()

    def kill_one() -> None:
        """The first worker that is seen at a task of ours."""
        while not killed and not done.is_set():
            for process in Path("/proc").glob("[0-9]*"):
                with contextlib.suppress(OSError):
                    title = (process / "cmdline").read_bytes()
                    if title.startswith(b"ray::run") and not killed:
                        os.kill(int(process.name), signal.SIGKILL)
                        killed.append(int(process.name))

    assert len({node["NodeID"] for node in ray.nodes() if node["Alive"]}) == 2
    killer = threading.Thread(target=kill_one, daemon=True)
    killer.start()
    with executors.chosen("ray", 0, 0) as on_cluster:
        corpus = prepare([folder], tmp_path / "two", executor=on_cluster)
    done.set()
    killer.join()
    assert content(corpus.folder) == whole
    assert killed or not Path("/proc").is_dir()

    tokenizer = train([d.text for d in corpus.documents()], vocab=300, strict=False)
    shards = [
        tokenize(
            corpus, tokenizer, folder=tmp_path / f"tokens{on}", executor=executors.chosen(on, 1, 0)
        )
        for on in ("", "ray")
    ]
    assert content(shards[0].folder) == content(shards[1].folder)


def test_an_address_where_nobody_is(monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(**settings: Any) -> None:
        assert settings["address"] == "ray://127.0.0.1:1"
        raise ConnectionError("ray client connection timeout")

    monkeypatch.setattr(ray, "is_initialized", lambda: False)
    monkeypatch.setattr(ray, "init", refused)
    with pytest.raises(ResourceError, match="cannot connect to ray://127") as error:
        executors.chosen("ray://127.0.0.1:1", 0, 0).__enter__()
    assert "ray start --head" in str(error.value)
