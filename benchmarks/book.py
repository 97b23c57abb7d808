"""How long the book takes: from nothing, with nothing changed, with a word of prose changed, with a seed added."""

import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable
from pathlib import Path

import yaml

from helpers import places

#: What the pages depend on.
_LOOKED_AT = ("src/helpers", "notebooks", "studies", "book", "annotations", "results")


def measure() -> dict:
    """Seconds of `label-risk run` and of `label-risk book` on a copy of the quick study.

    Beside them the bytes that a build cannot do without: what it must read to know what changed, and the pages that it
    writes.
    """
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / "checkout"
        ignored = shutil.ignore_patterns(
            ".git", ".venv", "_build", "executed", "generated", "*.egg-info", "__pycache__"
        )
        shutil.copytree(places.ROOT, copy, ignore=ignored)
        study = copy / "studies/quick.yml"
        environment = os.environ | {"LABEL_RISK_LEDGER": str(Path(folder) / "ledger"), "PYTHONPATH": str(copy / "src")}
        seconds, read, written = {}, {}, {}

        def command(what: str, *words: str) -> None:
            began, start = time.time(), time.perf_counter()
            subprocess.run(
                [sys.executable, "-m", "helpers.cli", *words],
                cwd=copy,
                env=environment,
                check=True,
                capture_output=True,
            )
            seconds[what] = round(time.perf_counter() - start, 1)
            if words[0] == "book":
                read[what] = _size(copy / part for part in _LOOKED_AT)
                written[what] = _size([copy / "_build/html"], since=began)

        command("start-up of the command", "--help")
        command("train the quick study", "run", str(study))
        command("book, from nothing", "book", str(study))
        command("book, nothing changed", "book", str(study))
        page = copy / "book/glossary.md"
        page.write_text(page.read_text("utf-8") + "\nOne more word.\n", "utf-8")
        command("book, prose changed", "book", str(study))
        plan = yaml.safe_load(study.read_text("utf-8"))
        study.write_text(yaml.safe_dump(plan | {"seeds": plan["seeds"] + 1}), "utf-8")
        command("train one more seed", "run", str(study))
        command("book, one seed more", "book", str(study))
    return {"seconds": seconds, "bytes_read": read, "bytes_written": written}


def _size(folders: Iterable[Path], *, since: float = 0.0) -> int:
    """Bytes of all files below some folders that were written after a time."""
    files = [file.stat() for folder in folders for file in folder.rglob("*") if file.is_file()]
    return sum(file.st_size for file in files if file.st_mtime >= since)
