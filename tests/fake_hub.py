"""A Hugging Face hub on 127.0.0.1, made of bytes in memory: what its client libraries ask for.

    with FakeHub() as hub:
        hub.add("dataset", "owner/poems", {"README.md": b"...", "data/train.parquet": data})
        subprocess.run([...], env={**os.environ, **hub.environment(tmp_path)})

It answers the read-only endpoints of the hub's REST interface: repository info, tree, paths-info,
and files with HEAD and byte ranges. Errors carry the hub's own `X-Error-Code`. `requests` holds
what was asked, in order. A commit's name is a hash of the repository's files, as in git.
"""

from __future__ import annotations

import hashlib
import json
import re
import threading
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import TracebackType
from typing import Any, Literal
from urllib.parse import parse_qs, unquote, urlsplit

import yaml

Kind = Literal["dataset", "model"]
API = re.compile(r"/api/(?P<kind>dataset|model)s/(?P<rest>.+)")
FILE = re.compile(r"/(?P<set>datasets/)?(?P<repo>.+?)/resolve/(?P<rev>[^/]+)/(?P<path>.+)")


@dataclass
class Repo:
    """One repository: its files, and who may see it."""

    files: dict[str, bytes]
    gated: bool = False
    broken: tuple[str, ...] = ()
    """Files that are listed, and for which the server fails (500)."""
    dropped: tuple[str, ...] = ()
    """Files that are listed, and for which the connection breaks without an answer."""

    @property
    def sha(self) -> str:
        """The commit's name."""
        parts = (name.encode() + b"\0" + data for name, data in sorted(self.files.items()))
        return _sha1(b"\0".join(parts))

    def card(self) -> dict[str, Any]:
        """The YAML block at the head of README.md."""
        parts = self.files.get("README.md", b"").decode().split("---\n")
        return (yaml.safe_load(parts[1]) or {}) if len(parts) > 2 else {}

    def info(self, name: str) -> dict[str, Any]:
        return {
            "_id": "0" * 24,
            "id": name,
            "sha": self.sha,
            "private": False,
            "gated": "manual" if self.gated else False,
            "tags": [],
            "lastModified": "2026-01-01T00:00:00.000Z",
            "cardData": self.card(),
            "siblings": [{"rfilename": p, "size": len(d)} for p, d in sorted(self.files.items())],
        }

    def entry(self, path: str) -> dict[str, Any] | None:
        """What the tree says about one path: a file, a folder, or nothing."""
        if path in self.files:
            data = self.files[path]
            oid = _sha1(data)
            return {"type": "file", "path": path, "size": len(data), "oid": oid}
        if any(name.startswith(f"{path}/") for name in self.files):
            oid = _sha1(path.encode())
            return {"type": "directory", "path": path, "size": 0, "oid": oid}
        return None

    def tree(self, under: str, *, recursive: bool) -> list[dict[str, Any]]:
        """Files and folders under a path."""
        start = f"{under}/" if under else ""
        found: dict[str, Any] = {}
        for name in sorted(self.files):
            if name.startswith(start):
                parts = name[len(start) :].split("/")
                for depth in range(1, len(parts) + 1 if recursive else 2):
                    path = start + "/".join(parts[:depth])
                    found[path] = self.entry(path)
        return list(found.values())


class FakeHub:
    """The server; `url` is what HF_ENDPOINT should say."""

    def __init__(self) -> None:
        self.repos: dict[tuple[str, str], Repo] = {}
        self.requests: list[str] = []
        self.down = False
        """Whether every connection breaks without an answer."""
        hub = self

        class Handler(_Handler):
            def __init__(self, *args: Any) -> None:
                self.hub = hub
                super().__init__(*args)

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,))
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"

    def add(self, kind: Kind, name: str, files: dict[str, bytes], **fields: Any) -> Repo:
        """Put a repository there; a second time, it has a new commit."""
        self.repos[kind, name] = Repo(files, **fields)
        return self.repos[kind, name]

    def environment(self, home: Path, **more: str) -> dict[str, str]:
        """Variables for a subprocess that may only know this hub and caches under `home`."""
        return {
            "HF_ENDPOINT": self.url,
            "HF_HOME": str(home),
            "HF_HUB_DISABLE_TELEMETRY": "1",
            "HF_HUB_DISABLE_IMPLICIT_TOKEN": "1",
            "HF_HUB_DISABLE_PROGRESS_BARS": "1",
            "NO_PROXY": "127.0.0.1",
            **more,
        }

    def __enter__(self) -> FakeHub:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    hub: FakeHub

    def log_message(self, *_: Any) -> None:
        """Say nothing."""

    def do_HEAD(self) -> None:
        self.do_GET()

    def do_POST(self) -> None:
        size = int(self.headers.get("Content-Length", 0))
        self._route(self.rfile.read(size))

    def do_GET(self) -> None:
        self._route(b"")

    def _route(self, body: bytes) -> None:
        if self.hub.down:
            self.close_connection = True
            return
        asked = urlsplit(self.path)
        self.hub.requests.append(f"{self.command} {self.path}")
        path = unquote(asked.path)
        if path == "/api/datasets":
            self._list(parse_qs(asked.query))
        elif match := API.fullmatch(path):
            self._api(match["kind"], match["rest"], parse_qs(asked.query), body)
        elif match := FILE.fullmatch(path):
            self._file("dataset" if match["set"] else "model", match["repo"], match)
        else:
            self._fail(404, "", "no such page")

    def _api(self, kind: str, rest: str, query: dict[str, list[str]], body: bytes) -> None:
        name, verb, tail = rest.removesuffix("/auth-check"), "", ""
        for word in ("revision", "tree", "paths-info"):
            before, found, after = rest.partition(f"/{word}/")
            if found:
                name, verb, tail = before, word, after
        repo = self.hub.repos.get((kind, name))
        if repo is None:
            return self._fail(401, "RepoNotFound", "Invalid username or password.")
        revision, _, under = tail.partition("/")
        if revision and revision not in ("main", repo.sha):
            return self._fail(404, "RevisionNotFound", f"Invalid rev id: {revision}")
        if verb in ("", "revision") and name == rest.partition("/revision/")[0]:
            return self._json(repo.info(name))
        if repo.gated:
            return self._gated(name)
        if not verb:
            return self._send(200, b"", {})  # may be read
        if verb == "tree":
            if under and repo.entry(under) is None:
                return self._fail(404, "EntryNotFound", f"{under} does not exist on {revision}")
            recursive = query.get("recursive", ["false"])[0].lower() in ("1", "true")
            return self._json(repo.tree(under, recursive=recursive))
        paths = _wanted(body, self.headers.get("Content-Type", ""))
        return self._json([entry for p in paths if (entry := repo.entry(p)) is not None])

    def _list(self, query: dict[str, list[str]]) -> None:
        """Data sets by owner or by a part of the name."""
        names = [name for kind, name in self.hub.repos if kind == "dataset"]
        if "author" in query:
            names = [name for name in names if name.startswith(f"{query['author'][0]}/")]
        if "search" in query:
            names = [name for name in names if query["search"][0] in name]
        self._json([{"_id": "0" * 24, "id": name, "private": False} for name in sorted(names)])

    def _file(self, kind: str, name: str, match: re.Match[str]) -> None:
        repo = self.hub.repos.get((kind, name))
        path = match["path"]
        if repo is None:
            return self._fail(401, "RepoNotFound", "Invalid username or password.")
        if match["rev"] not in ("main", repo.sha):
            return self._fail(404, "RevisionNotFound", f"Invalid rev id: {match['rev']}")
        if repo.gated:
            return self._gated(name)
        if path not in repo.files:
            return self._fail(404, "EntryNotFound", "Entry not found", commit=repo.sha)
        if path in repo.broken:
            return self._fail(500, "", "Internal Error")
        if path in repo.dropped:
            self.close_connection = True
            return None
        data, headers, status = repo.files[path], {}, 200
        etag = _sha1(data)
        if match_range := re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("Range", "")):
            start = int(match_range[1])
            end = min(int(match_range[2] or len(data) - 1), len(data) - 1)
            headers["Content-Range"] = f"bytes {start}-{end}/{len(data)}"
            data, status = data[start : end + 1], 206
        headers |= {"ETag": f'"{etag}"', "X-Repo-Commit": repo.sha, "Accept-Ranges": "bytes"}
        self._send(status, data, headers | {"Content-Type": "application/octet-stream"})

    def _gated(self, name: str) -> None:
        self._fail(401, "GatedRepo", f"Access to dataset {name} is restricted.")

    def _json(self, value: Any) -> None:
        self._send(200, json.dumps(value).encode(), {"Content-Type": "application/json"})

    def _fail(self, status: int, code: str, message: str, *, commit: str = "") -> None:
        headers = {"X-Error-Message": message}
        headers |= {"X-Error-Code": code} if code else {}
        headers |= {"X-Repo-Commit": commit} if commit else {}
        self._send(status, json.dumps({"error": message}).encode(), headers)

    def _send(self, status: int, data: bytes, headers: dict[str, str]) -> None:
        self.send_response(status)
        for key, value in {**headers, "Content-Length": str(len(data))}.items():
            self.send_header(key, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(data)


def _wanted(body: bytes, content_type: str) -> list[str]:
    """The paths that a paths-info request asks about: JSON or a form."""
    if "json" in content_type:
        return list(json.loads(body)["paths"])
    return parse_qs(body.decode()).get("paths", [])


def _sha1(data: bytes) -> str:
    return hashlib.sha1(data, usedforsecurity=False).hexdigest()
