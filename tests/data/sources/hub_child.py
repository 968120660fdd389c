"""A process of its own that reads data sets from a hub: the libraries take their settings from
the environment, once, when they are imported.

One JSON line in, `{"do": "read" | "expand" | "prepare", "names": […]}` and so on, one out.
"""

from __future__ import annotations

import contextlib
import io
import json
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

from danlu.data import inputs, prepare
from danlu.data.hub import library
from danlu.data.settings import PrepareSettings
from danlu.data.sources import hugging_face
from danlu.errors import DanluError


def answer(task: dict[str, Any]) -> dict[str, Any]:
    if task["do"] == "download":
        import huggingface_hub

        return {"folder": huggingface_hub.snapshot_download(task["name"], repo_type="dataset")}
    if task["do"] == "load":
        import datasets

        loaded = datasets.load_dataset(task["name"], task.get("config"), split="train")
        return {"rows": loaded.num_rows}
    if task["do"] == "impatient":  # the libraries wait minutes for a server to come back
        time.sleep = lambda seconds: None
        return {}
    if task["do"] == "prepare":
        settings = PrepareSettings(min_characters=1, held_out=0.2)
        corpus = prepare.prepare(
            [Path(name) for name in task["names"]], Path(task["out"]), settings
        )
        return {"manifest": corpus.manifest, "sha256": corpus.sha256}
    found = inputs.expand([Path(name) for name in task["names"]])
    listed = [replace(file, text_field=task.get("text_field", "")) for file in found.files]
    result: dict[str, Any] = {
        "files": [[f.name, f.reader, f.bytes, f.version] for f in listed],
        "fingerprints": inputs.fingerprints(listed),
        "skipped": found.skipped,
    }
    if task["do"] == "read":
        documents = [d for file in listed for d in hugging_face.read(file)]
        result["documents"] = [[d.id, d.text, d.meta] for d in documents]
        result["notes"] = [file.notes for file in listed]
    return result


def main() -> None:
    library.load()
    for line in sys.stdin:
        task, said = json.loads(line), io.StringIO()
        try:
            with contextlib.redirect_stderr(said), contextlib.redirect_stdout(said):
                result = answer(task)
        except DanluError as error:
            result = {"error": error.as_json()}
        print(json.dumps({**result, "said": said.getvalue()}), flush=True)


if __name__ == "__main__":
    main()
