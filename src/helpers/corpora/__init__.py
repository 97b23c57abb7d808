"""A corpus: texts, gold labels, every human vote where there are votes, and fixed splits.

`load` takes what a study file says of a corpus: the name of a built-in one, or a mapping that describes a table of
the user's own (see `helpers.corpora.tables`). A new built-in corpus is one function that returns a `Corpus` and one
line in `built_in.BUILT_IN`.
"""

from pathlib import Path

from helpers import places
from helpers.corpora import built_in, planted
from helpers.corpora.built_in import BUILT_IN
from helpers.corpora.corpus import Corpus
from helpers.corpora.splits import SPLIT_SEED, ranks

__all__ = ["BUILT_IN", "SPLIT_SEED", "Corpus", "load", "ranks"]


def load(spec: str | dict) -> Corpus:
    """Load a built-in corpus by name, or a table that a mapping describes, or a corpus with orders planted in another.

    Raises
    ------
    UserError
        If the name is unknown, or the table cannot be used; the message says why.
    """
    if not isinstance(spec, dict):
        return built_in.load(spec)
    file = _file(spec)
    described = (repr(spec), file)
    if file is None or described not in _read:
        made = _described(spec)  # which may be made of another that is kept here
        while len(_read) >= _KEPT:
            del _read[next(iter(_read))]
        _read[described] = made
    return _read[described]


def _described(spec: dict) -> Corpus:
    """Read or make a described corpus."""
    if "planted" in spec:
        base = spec["planted"]
        return planted.load(**spec | {"planted": load(base) if isinstance(base, str | dict) else base})
    from helpers.corpora import tables  # slow: pandera

    return tables.load(**spec)


#: What describes a corpus, and its file as it is -> the corpus: a study asks for it again and again.
_read: dict[tuple[str, tuple[str, int, int] | None], Corpus] = {}
_KEPT = 8


def _file(spec: str | dict) -> tuple[str, int, int] | None:
    """Which file a described corpus is read from, and its time and size; None where it may change without a sign."""
    if not isinstance(spec, dict):
        return ("", 0, 0)
    if "planted" in spec:
        return _file(spec["planted"])
    file = path_of(spec)
    if file is None or not file.is_file():
        return None
    return str(file.resolve()), file.stat().st_mtime_ns, file.stat().st_size


def path_of(spec: str | dict) -> Path | None:
    """The table, or the folder of tables, that a described corpus is read from; None if it is not on this machine."""
    if not isinstance(spec, dict):
        return None
    if "planted" in spec:
        return path_of(spec["planted"])
    return places.path(str(spec["path"])) if spec.get("path") else None
