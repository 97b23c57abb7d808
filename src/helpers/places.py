"""Where things lie: in the repository, in the user's cache, in the user's data folder."""

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import get_ident

import platformdirs

from helpers.errors import UserError

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


def path(name: str | Path) -> Path:
    """A path as somebody wrote it, `~` for their home; a name that begins so and is nobody's home stays a name."""
    try:
        return Path(name).expanduser()
    except RuntimeError:  # such as Excel's `~$reviews.xlsx`
        return Path(name)


@contextmanager
def whole(file: Path) -> Iterator[Path]:
    """For a file that is written whole or not at all: yields a path in its folder to write to, which then becomes it.

    A reader, a second process that writes the same, or a power cut never meets half a file.

    Raises
    ------
    UserError
        If the disk is full.
    """
    file.parent.mkdir(parents=True, exist_ok=True)
    part = file.with_name(f".{file.name}.{os.getpid()}-{get_ident()}")
    try:
        with room_in(file.parent):
            yield part
            with part.open("rb") as written:
                os.fsync(written.fileno())
            part.replace(file)
    finally:
        part.unlink(missing_ok=True)


@contextmanager
def room_in(
    folder: Path, advice: str = "free some space; what was finished is kept, and the same command goes on"
) -> Iterator[None]:
    """Say in one line that a disk is full, and what to do.

    Raises
    ------
    UserError
        If what is written below `folder` finds no room.
    """
    try:
        yield
    except Exception as error:  # libraries in other languages have errors of their own
        full = getattr(error, "errno", None) in (errno.ENOSPC, errno.EDQUOT) or "No space left" in str(error)
        if not full:
            raise
        raise UserError(f"the disk of {folder} is full: {advice}") from None


def shown(path: Path) -> str:
    """`path` as a person would type it: relative to the working folder where it lies below it."""
    try:
        return str(path.resolve().relative_to(Path.cwd()))
    except ValueError:
        return str(path)
