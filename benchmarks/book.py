"""How long the book takes: from nothing, with nothing changed, with a word of prose changed, with a seed added."""

import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import yaml

from helpers import places


def measure() -> dict:
    """Seconds of `label-risk book` on a copy of the quick study, its training included where it is needed."""
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / "checkout"
        ignored = shutil.ignore_patterns(
            ".git", ".venv", "_build", "executed", "generated", "*.egg-info", "__pycache__"
        )
        shutil.copytree(places.ROOT, copy, ignore=ignored)
        study = copy / "studies/quick.yml"
        environment = os.environ | {"LABEL_RISK_LEDGER": str(Path(folder) / "ledger"), "PYTHONPATH": str(copy / "src")}

        def command(*words: str) -> float:
            start = time.perf_counter()
            subprocess.run(
                [sys.executable, "-m", "helpers.cli", *words],
                cwd=copy,
                env=environment,
                check=True,
                capture_output=True,
            )
            return round(time.perf_counter() - start, 1)

        found = {"start-up of the command": command("--help")}
        found["train the quick study"] = command("run", str(study))
        found["book, from nothing"] = command("book", str(study))
        found["book, nothing changed"] = command("book", str(study))
        page = copy / "book/glossary.md"
        page.write_text(page.read_text("utf-8") + "\nOne more word.\n", "utf-8")
        found["book, prose changed"] = command("book", str(study))
        plan = yaml.safe_load(study.read_text("utf-8"))
        study.write_text(yaml.safe_dump(plan | {"seeds": plan["seeds"] + 1}), "utf-8")
        found["train one more seed"] = command("run", str(study))
        found["book, one seed more"] = command("book", str(study))
    return {"seconds": found}
