"""The whole life of a model through the command line; one demo, looked at from all sides."""

from __future__ import annotations

import io
import json
import shutil
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from command_examples import Demo

from danlu import cli, files
from danlu.data.corpus import Corpus
from danlu.errors import Stopped
from danlu.models import hub

Capture = pytest.CaptureFixture[str]


def call(capsys: Capture, *words: object, code: int = 0) -> dict[str, Any]:
    """What a command gives as JSON."""
    capsys.readouterr()
    assert cli.main([*map(str, words), "--json"]) == code
    out = capsys.readouterr().out
    assert out.count("\n") == 1, "one object on stdout, nothing else"
    return dict(json.loads(out))


def weights(run: Path) -> str:
    return files.sha256(run / "model.safetensors")


# ---- the demo


def test_the_same_demo_again_does_nothing_twice(demo: Demo, capsys: Capture) -> None:
    before = {run: weights(demo.out / run) for run in ("base", "chat")}

    said = call(capsys, *demo.words)

    assert {run: weights(demo.out / run) for run in ("base", "chat")} == before
    for key in ("text", "tokenizer", "model", "training_time", "memory", "held_out", "answers"):
        assert said[key]
    assert "planned" in said["training_time"]
    assert "Kneser-Ney 5-gram" in said and "bits per byte" in said["verdict"]
    assert said["next"][0] == f"danlu chat {demo.out / 'chat'}"


def test_the_table_is_for_people(demo: Demo, capsys: Capture) -> None:
    assert cli.main(demo.words) == 0
    said = capsys.readouterr()
    assert "Kneser-Ney 5-gram" in said.out and "{" not in said.out
    assert "[7/7]" in said.err and "danlu chat" in said.err


def test_everything_of_a_life_is_in_the_folder(demo: Demo) -> None:
    for name in ("corpus/manifest.json", "tokenizer/tokenizer.json", "report.html", "demo.json"):
        assert (demo.out / name).is_file(), name
    for run in ("base", "chat"):
        for name in ("config.json", "model.safetensors", "tokenizer.json", "metrics.jsonl"):
            assert (demo.out / run / name).is_file(), name
        assert files.read_json(demo.out / run / "status.json")["phase"] == "completed"
    plan = files.read_json(demo.out / "base" / "plan.json")
    assert plan["predicted"]["parameters"] == plan["actual"]["parameters"]


def test_no_document_is_both_learnt_and_held_out(demo: Demo) -> None:
    corpus = Corpus.open(demo.out / "corpus")
    learnt = {d.text for d in corpus.documents("train")}
    assert learnt.isdisjoint(d.text for d in corpus.documents("held_out"))


def test_a_corpus_knows_the_runs_that_learned_a_sentence(demo: Demo, capsys: Capture) -> None:
    text = next(Corpus.open(demo.out / "corpus").documents("train")).text
    capsys.readouterr()
    words = ["corpus", "who", str(demo.out / "corpus"), text[:80], "--runs", str(demo.out)]
    assert cli.main([*words, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["runs"] == [
        {"run": str(demo.out / "base"), "by": "hash", "via": "corpus"},
        {"run": str(demo.out / "chat"), "by": "hash", "via": "base"},
    ]


def test_another_demo_is_not_written_over(demo: Demo, capsys: Capture) -> None:
    said = call(capsys, *demo.words, "--seed", "7", code=2)
    assert "seed: 0 → 7" in str(said["error"])


def test_a_folder_of_something_else_is_left_alone(
    tmp_path: Path, texts: Path, capsys: Capture
) -> None:
    (tmp_path / "thesis.txt").write_text("mine")
    said = call(capsys, "demo", texts, "--out", tmp_path, code=2)
    assert "holds no demo" in str(said["error"])
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.txt"]


def test_a_demo_that_was_stopped_goes_on(
    demo: Demo, tmp_path: Path, texts: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Interrupted between and inside stages; what was done is not done again."""
    from danlu.commands import evaluate, tokenizer

    words = ["demo", str(texts), "--minutes", "0.05", "--out", str(tmp_path / "demo")]
    for command, error in (
        (tokenizer, KeyboardInterrupt()),
        (evaluate, Stopped("stopped", signal=2)),
    ):
        with monkeypatch.context() as patch:
            patch.setattr(command, "run", lambda cfg, error=error: raising(error))
            assert cli.main(words) == 130
    assert not (tmp_path / "demo" / "chat").exists()
    made = weights(tmp_path / "demo" / "base")
    assert cli.main(words) == 0
    assert weights(tmp_path / "demo" / "base") == made
    assert (tmp_path / "demo" / "report.html").is_file()


def raising(error: BaseException) -> None:
    raise error


def test_dry_run_says_what_would_be_read(demo: Demo, tmp_path: Path, capsys: Capture) -> None:
    said = call(capsys, "demo", demo.texts, "--out", tmp_path / "x", "--dry-run")
    assert said["plan"]["files"] == 61 and said["settings"]["minutes"] == 8.0
    assert not (tmp_path / "x").exists()


# ---- a run folder is a model


@pytest.mark.parametrize("run", ["base", "chat"])
def test_transformers_opens_a_run_unchanged(demo: Demo, run: str) -> None:
    from transformers import AutoModelForCausalLM, AutoTokenizer

    folder = demo.out / run
    theirs, words = (
        AutoModelForCausalLM.from_pretrained(folder),
        AutoTokenizer.from_pretrained(folder),
    )
    ours = hub.load(folder)
    text = "The old king found 春眠不覺曉 🦊"
    ids = words(text)["input_ids"]
    assert ids == [ours.tokenizer.bos_id, *ours.tokenizer.encode(text)]
    assert words.decode(ids, skip_special_tokens=True) == text
    with torch.no_grad():
        got = theirs(torch.tensor([ids])).logits
        torch.testing.assert_close(got, ours.model(torch.tensor([ids])), atol=1e-4, rtol=0)
    turns = [{"role": "user", "content": "What is it?"}]
    asked = words.apply_chat_template(turns, add_generation_prompt=True, tokenize=False)
    assert "What is it?" in asked


# ---- the other commands on it


def test_evaluate_a_run(demo: Demo, capsys: Capture) -> None:
    said = call(capsys, "evaluate", demo.out / "base")
    table = said["tables"]["on the same held-out tokens"]
    assert [row["name"] for row in table][-1] == "this model"
    assert any("Kneser-Ney" in row["name"] for row in table)
    assert said["bits_per_byte"] > 0 and "baselines" not in said

    assert cli.main(["evaluate", str(demo.out / "base"), "--fail-over", "0.0001"]) == 1
    assert "this model" in capsys.readouterr().out


def test_evaluate_answers(demo: Demo, capsys: Capture) -> None:
    said = call(capsys, "evaluate", demo.out / "chat")
    (rows,) = said["tables"].values()
    assert [row[""] for row in rows] == ["baseline", "before", "after"]
    assert {"token_f1", "exact_match", "chrf"} <= rows[0].keys()


def test_evaluate_any_text_and_any_questions(demo: Demo, tmp_path: Path, capsys: Capture) -> None:
    (tmp_path / "a.txt").write_text("The doctor lost the map at the harbour. " * 5)
    said = call(capsys, "evaluate", demo.out / "base", "--data", tmp_path / "a.txt")
    assert said["documents"] == 1 and said["bits_per_byte"] > 0

    turns = [{"role": "user", "content": "Who?"}, {"role": "assistant", "content": "A fox."}]
    (tmp_path / "q.jsonl").write_text(json.dumps({"messages": turns}) + "\n")
    said = call(capsys, "evaluate", demo.out / "chat", "--data", tmp_path / "q.jsonl")
    (rows,) = said["tables"].values()
    assert [row[""] for row in rows] == ["after"]

    (tmp_path / "t.jsonl").write_text('{"text": "The doctor lost the map at the harbour."}\n' * 3)
    said = call(capsys, "evaluate", demo.out / "base", "--data", tmp_path / "t.jsonl")
    assert said["bits_per_byte"] > 0


def test_generate(demo: Demo, capsys: Capture) -> None:
    short = ["--sampling.max-tokens", "12"]
    words = ["generate", str(demo.out / "base"), "--prompt", "The old", *short]
    assert cli.main(words) == 0
    out = capsys.readouterr().out
    assert out.startswith("The old") and "�" not in out
    assert call(capsys, *words)["texts"][0] == out.removesuffix("\n")  # seeded: the same again
    several = call(capsys, "generate", demo.out / "base", "--samples", "3", *short)
    assert len(several["texts"]) == 3


def test_chat_in_a_pipe_and_with_a_question(
    demo: Demo, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    short = ["--sampling.max-tokens", "12"]
    said = call(capsys, "chat", demo.out / "chat", "--question", "Who?", *short)
    assert said["answers"][0]["question"] == "Who?"

    monkeypatch.setattr(sys, "stdin", io.StringIO("Who?\n\n/new\nWhere?\n"))
    said = call(capsys, "chat", demo.out / "chat", "--system", "Be brief.", *short)
    assert [turn["question"] for turn in said["answers"]] == ["Who?", "Where?"]


def test_chat_in_a_terminal(demo: Demo, capsys: Capture, monkeypatch: pytest.MonkeyPatch) -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    for ending in ("\n", ""):
        monkeypatch.setattr(sys, "stdin", Terminal("Who?\n" + ending))
        assert cli.main(["chat", str(demo.out / "chat"), "--sampling.max-tokens", "5"]) == 0
        assert "an empty line ends it" in capsys.readouterr().err


def test_a_long_conversation_forgets_its_beginning(demo: Demo) -> None:
    from danlu.errors import DataError
    from danlu.generate.chat import Conversation
    from danlu.generate.settings import Sampling

    loaded = hub.load(demo.out / "chat")
    talk = Conversation(loaded.model, loaded.tokenizer, Sampling(max_tokens=5), system="Be brief.")
    for turn in range(30):
        assert isinstance("".join(talk.ask(f"{turn}: who found the map?")), str)
    with pytest.raises(DataError):
        "".join(talk.ask("map " * 2000))


def test_finetune_on_own_conversations(demo: Demo, tmp_path: Path, capsys: Capture) -> None:
    rows = [
        {"role": "user", "content": "Who found it?"},
        {"role": "assistant", "content": "The fox."},
    ]
    data = tmp_path / "chats.jsonl"
    data.write_text((json.dumps({"messages": rows}) + "\n") * 40)
    words = ["finetune", "--base", demo.out / "base", "--data.train", data]
    words += ["--train.batch-tokens", "512", "--out", tmp_path / "mine"]
    plan = call(capsys, *words, "--dry-run")
    assert plan["plan"]["data"] == str(data) and not (tmp_path / "mine").exists()
    said = call(capsys, *words)
    assert said["conversations"] == 40 and said["steps"] >= 1
    answer = call(capsys, "chat", tmp_path / "mine", "--question", "Who found it?")
    assert answer["answers"][0]["answer"]


def test_pretrain_from_a_recipe(demo: Demo, tmp_path: Path, capsys: Capture) -> None:
    out = tmp_path / "base"
    words = ["pretrain", "--data.paths", demo.texts, "--train.steps", "3", "--out", out]
    words += ["--train.batch-tokens", "1024", "--train.context", "64", "--data.vocab", "400"]
    plan = call(capsys, *words, "--dry-run")["plan"]
    rows = plan["tables"]["what moves which tensor"]
    assert {row["optimizer"] for row in rows} == {"muon", "adamw"} and not out.exists()

    said = call(capsys, *words, "--train.trackers", "tensorboard")
    assert said["steps"] == 3 and said["next"] == [f"danlu evaluate {out}"]
    assert list(out.glob("**/events.out.tfevents*"))
    again = call(capsys, "pretrain", out / "run.yaml")
    assert again["steps"] == 3

    other = call(capsys, *words, "--train.steps", "5", code=2)
    assert "run" in other["error"]["message"]


def test_doctor(demo: Demo, tmp_path: Path, capsys: Capture) -> None:
    said = call(capsys, "doctor")
    assert said["cores"] >= 1 and said["matmul_gflops"] > 0 and said["instruction_set"]

    assert "as it was written" in call(capsys, "doctor", demo.out / "base")["run_state"]
    damaged = shutil.copytree(demo.out / "base", tmp_path / "base")
    path = next((damaged / "checkpoints").glob("step-*/**/*.safetensors"))
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.unlink()
    path.write_bytes(data)
    found = call(capsys, "doctor", damaged, code=1)
    assert path.name in found["run_state"]


# ---- damage


@pytest.mark.parametrize("name", ["model.safetensors", "config.json", "tokenizer.json"])
@pytest.mark.parametrize("how", ["missing", "cut"])
def test_a_run_with_a_bad_file_is_refused(
    demo: Demo, tmp_path: Path, capsys: Capture, name: str, how: str
) -> None:
    run = tmp_path / "run"
    run.mkdir()
    for path in (demo.out / "base").iterdir():
        if path.is_file():
            shutil.copy(path, run)
    data = (run / name).read_bytes()
    (run / name).unlink()
    if how == "cut":
        (run / name).write_bytes(data[: len(data) // 2])
    said = call(capsys, "generate", run, "--prompt", "x", code=3)
    assert name.split(".")[0] in str(said["error"])
