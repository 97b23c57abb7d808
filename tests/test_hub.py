"""The hub: the real clients, and a hub on this machine that speaks as much of its protocol as they ask for."""

import csv
import hashlib
import json
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from urllib.parse import unquote, urlsplit

import pyarrow.parquet as pq
import pytest
import yaml
from conftest import sentences

from helpers import artifacts, hub
from helpers.errors import UserError

_FILE = re.compile(r"/(?P<repository>(datasets/)?[^/]+/[^/]+)/resolve/(?P<revision>[^/]+)/(?P<file>.+)")
_ABOUT = re.compile(
    r"/api/(models/)?(?P<repository>(datasets/)?[^/]+/[^/]+)(/(?P<what>revision|tree)/(?P<revision>[^/]+)(/.*)?)?"
)


def commit_of(repository: str, revision: str) -> str:
    return hashlib.sha1(f"{repository} {revision}".encode()).hexdigest()


@contextmanager
def serving(root: Path) -> Iterator[str]:
    """Serve the folders `root/[datasets/]OWNER/NAME/REVISION` as a hub; yields its address."""

    class Hub(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def do_GET(self) -> None:
            path = unquote(urlsplit(self.path).path)
            asked = _FILE.fullmatch(path) or _ABOUT.fullmatch(path)
            folder, commit = self._find(asked["repository"], asked["revision"] or "main") if asked else (None, "")
            if folder is None:
                there = asked and (root / asked["repository"]).is_dir()
                self._answer(404, b"", {"X-Error-Code": "RevisionNotFound" if there else "RepoNotFound"})
            elif asked.re is not _FILE:
                about = self._tree(folder) if asked["what"] == "tree" else self._about(folder, commit)
                self._answer(200, json.dumps(about).encode(), {"Content-Type": "application/json"})
            elif not (file := folder / asked["file"]).is_file():
                self._answer(404, b"", {"X-Error-Code": "EntryNotFound", "X-Repo-Commit": commit})
            else:
                content = file.read_bytes()
                mark = f'"{hashlib.sha256(content).hexdigest()}"'
                self._answer(200, content, {"ETag": mark, "X-Repo-Commit": commit})

        do_HEAD = do_GET  # noqa: N815

        def _find(self, repository: str, revision: str) -> tuple[Path | None, str]:
            folders = (root / repository).iterdir() if (root / repository).is_dir() else ()
            named = {folder: commit_of(repository, folder.name) for folder in folders}
            return next(((f, c) for f, c in named.items() if revision in (f.name, c)), (None, ""))

        def _about(self, folder: Path, commit: str) -> dict:
            names = [str(file.relative_to(folder)) for file in folder.rglob("*")]
            return {"id": f"{folder.parent}", "sha": commit, "siblings": [{"rfilename": name} for name in names]}

        def _tree(self, folder: Path) -> list[dict]:
            return [
                {"type": "file", "path": str(file.relative_to(folder)), "size": file.stat().st_size, "oid": "0" * 40}
                for file in folder.rglob("*")
            ]

        def _answer(self, status: int, content: bytes, headers: dict[str, str]) -> None:
            self.send_response(status)
            for name, value in (headers | {"Content-Length": str(len(content))}).items():
                self.send_header(name, value)
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(content)

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Hub) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


@pytest.mark.parametrize(
    ("name", "parts"),
    [
        ("owner/model@v1.0", ("owner/model", "v1.0")),
        ("model@refs/pr/1", ("model", "refs/pr/1")),
        ("owner/model", ("owner/model", None)),
        ("/data/me@home/model", ("/data/me@home/model", None)),
        ("owner/model@", ("owner/model@", None)),
    ],
)
def test_a_revision_may_follow_an_id(name, parts):
    assert hub.split(name) == hub.located(name) == parts


def test_a_folder_is_a_folder_whatever_its_name(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("mine@v2").mkdir()
    assert hub.located("mine@v2") == ("mine@v2", None)
    assert hub.commit("mine@v2") is None
    assert hub.model("./mine@v2") == "mine@v2"


@pytest.mark.parametrize("name", ["./mine", "../mine", "/data/mine", "~/mine", "models/mine/", "a/b/mine", "a\\mine"])
def test_the_hub_is_not_asked_for_a_folder_that_is_not_there(name):
    with pytest.raises(UserError, match=r"^hf:.*: there is no such folder; give its path"):
        hub.model(name)


@pytest.mark.parametrize("name", ["owner/mine", "mine", "owner/mine@refs/pr/1", "owner/mine@./x"])
def test_what_may_be_of_the_hub_stays_a_name(name):
    assert hub.model(name) == str(Path(name))


def test_a_study_whose_parts_all_come_from_the_hub(tmp_path, tiny_model, monkeypatch):
    root, file = tmp_path / "hub", tmp_path / "study.yml"
    (data := root / "datasets/some/reviews/v1").mkdir(parents=True)
    with (data / "train.csv").open("w", encoding="utf-8", newline="") as stream:
        table = csv.writer(stream)
        table.writerow(["said", "view", "part"])
        table.writerows([*row, "test" if i % 3 else "train"] for i, row in enumerate(sentences(120)))
    for name, folder in (("model/v2", tiny_model), ("encoder/v3", artifacts.fetch("minilm"))):
        (root / "some" / name).parent.mkdir(parents=True)
        (root / "some" / name).symlink_to(folder)
    monkeypatch.delenv("HF_HUB_OFFLINE")
    for variable, place in (("XDG_CACHE_HOME", "cache"), ("HF_HOME", "hf"), ("LABEL_RISK_LEDGER", "ledger")):
        monkeypatch.setenv(variable, str(tmp_path / place))

    def label_risk(*arguments: str) -> str:
        command = [sys.executable, "-m", "helpers.cli", *arguments]
        done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, timeout=300, check=False)
        return done.stdout + done.stderr

    columns = ("--text", "said", "--label", "view", "--split-by", "part", "--no-measure")
    models = ("--annotator", "hf:some/model@v2", "--student", "probe", "--encoder", "hf:some/encoder@v3")
    with serving(root) as address:
        monkeypatch.setenv("HF_ENDPOINT", address)
        refused = label_risk("new", "hub:some/reviews@v9", *columns, "--out", "other.yml")
        assert refused.startswith("label-risk: some/reviews@v9: cannot be read: Revision 'v9' doesn't exist")
        assert refused.count("\n") == 1
        assert "wrote study.yml" in label_risk("new", "hub:some/reviews@v1", *columns, *models, "--out", "study.yml")
        said = yaml.safe_load(file.read_text())
        file.write_text(yaml.safe_dump(said | {"sizes": [20], "seeds": 1, "filtering": None}))
        assert "2 runs trained" in label_risk("run", str(file))
    # Without a hub, what it gave is there.
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    file.write_text(yaml.safe_dump(said | {"sizes": [20], "seeds": 2, "filtering": None}))
    assert "2 runs trained" in label_risk("run", str(file))
    (labels,) = (tmp_path / "ledger").rglob("*model*.parquet")
    made = json.loads(pq.read_schema(labels).metadata[b"label-risk"])
    assert (made["model"], made["revision"], made["model_hash"]) == ("some/model", "v2", commit_of("some/model", "v2"))
    runs = [
        json.loads(pq.read_table(run)["environment"][0].as_py())
        for run in (tmp_path / "ledger/runs").rglob("*.parquet")
    ]
    assert [run["encoder_commit"] for run in runs] == [commit_of("some/encoder", "v3")] * 4
