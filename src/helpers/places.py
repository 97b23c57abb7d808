"""Where things lie: in the repository, in the user's cache, in the user's data folder."""

import os
from pathlib import Path

import platformdirs

APP = "label-risk"

#: The checkout that holds `studies/`, `annotations/`, `results/` and the notebooks. `label-risk` is run from a
#: checkout (it is installed in editable mode by `make install`), so the package's own path leads there.
ROOT = Path(__file__).resolve().parents[2]


def cache() -> Path:
    """Folder of what can be fetched or computed again: artifacts, converted models, token ids, embeddings."""
    return platformdirs.user_cache_path(APP)


def ledger() -> Path:
    """Folder of the user's own runs and annotations; `LABEL_RISK_LEDGER` moves it."""
    moved = os.environ.get("LABEL_RISK_LEDGER")
    return Path(moved).expanduser().resolve() if moved else platformdirs.user_data_path(APP) / "ledger"


def texts_allowed() -> bool:
    """Whether pages may show texts of corpora at all; `LABEL_RISK_NO_TEXTS` forbids it, whatever a study says."""
    return not os.environ.get("LABEL_RISK_NO_TEXTS")


def put(part: Path, file: Path) -> None:
    """Give a file that was written under another name its own, when it is on the disk: whole or not at all."""
    with part.open("rb") as written:
        os.fsync(written.fileno())
    part.replace(file)


def shown(path: Path) -> str:
    """`path` as a person would type it: relative to the working folder where it lies below it."""
    try:
        return str(path.resolve().relative_to(Path.cwd()))
    except ValueError:
        return str(path)
