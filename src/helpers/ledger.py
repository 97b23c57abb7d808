"""The ledger: finished runs by content key.

A finished run is one row: its key, its specification, the test probabilities, how long it took, and with what. The
committed ledgers in `results/` are such rows in one file a study; the user's own runs are a file each, so that any
number of processes can add to the ledger at once. A file appears whole, by a rename, or not at all.

Probabilities are kept as float16 (relative error below 0.0005). Each row carries a digest of its content.
"""

import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from helpers import places
from helpers.errors import UserError, first_line

_SCHEMA = pa.schema(
    {
        "key": pa.string(),
        "specification": pa.string(),
        "environment": pa.string(),
        "seconds": pa.float64(),
        "labels": pa.int32(),
        "probs": pa.list_(pa.float16()),
        "digest": pa.string(),
    }
)


@dataclass(frozen=True)
class Record:
    """One finished run.

    Attributes
    ----------
    key
        `helpers.studies.Run.key`.
    specification
        `helpers.studies.Run.specification`.
    probs
        float16 (test texts, labels).
    seconds
        Time of training and prediction on one thread, with what was loaded, tokenised or waited for meanwhile.
    environment
        Machine, versions, number type, and the commit of an encoder of the hub.
    """

    key: str
    specification: dict
    probs: np.ndarray
    seconds: float
    environment: dict
    digest: str = field(default="")

    @property
    def content_digest(self) -> str:
        """sha256 of key, specification and probabilities as they are now; `digest` is that of when it was written."""
        digest = hashlib.sha256(self.key.encode())
        digest.update(_json(self.specification).encode())
        digest.update(np.ascontiguousarray(self.probs, dtype="<f2").tobytes())
        return digest.hexdigest()


class Ledger:
    """The committed ledgers and the user's own, read together; new runs go to the user's own."""

    def __init__(self, results: Path | None = None, own: Path | None = None):
        self.results = places.ROOT / "results" if results is None else results
        self.own = (places.ledger() if own is None else own) / "runs"
        self._committed: dict[str, Record] | None = None

    def __contains__(self, key: str) -> bool:
        return key in self.committed or self._file(key).is_file()

    def __getitem__(self, key: str) -> Record:
        if key in self.committed:
            return self.committed[key]
        return _records(self._file(key))[0]

    @property
    def committed(self) -> dict[str, Record]:
        """Key -> record of `results/`."""
        if self._committed is None:
            files = sorted(self.results.glob("*.parquet"))
            self._committed = {record.key: record for file in files for record in _records(file)}
        return self._committed

    def elsewhere(self, file: Path) -> set[str]:
        """Keys of the runs that other files of `results/` hold than `file`: each run is shipped once."""
        others = [other for other in self.results.glob("*.parquet") if other != file]
        return set().union(*map(keys, others))

    def add(self, record: Record) -> None:
        """Write one finished run to the user's ledger, whole or not at all."""
        _write([record], self._file(record.key))

    def lock(self, key: str) -> Path:
        """File to lock while the run of `key` is being trained."""
        folder = self.own.parent / "locks"
        folder.mkdir(parents=True, exist_ok=True)
        return folder / key

    def _file(self, key: str) -> Path:
        return self.own / key[:2] / f"{key}.parquet"


def keys(file: Path) -> set[str]:
    """Keys of the runs that a file holds; none if it is not there."""
    return set(pq.read_table(file, columns=["key"])["key"].to_pylist()) if file.is_file() else set()


def compact(records: Iterable[Record], file: Path) -> None:
    """Write many runs into one file, sorted by key, so that the same runs give the same bytes.

    Raises
    ------
    UserError
        If a run is not what was written once: in the new file nobody could see it any more.
    """
    records = sorted(records, key=lambda record: record.key)
    for record in records:
        if record.digest and record.digest != record.content_digest:
            raise UserError(
                f"run {record.key[:12]}: the stored probabilities are not those that were written; remove "
                f"{record.key}.parquet from the ledger, and `label-risk run` trains it again"
            )
    _write(records, file)


def _write(records: list[Record], file: Path) -> None:
    table = pa.Table.from_pylist([_row(record) for record in records], _SCHEMA)
    with places.whole(file) as part:
        pq.write_table(table, part, compression="zstd")


def _row(record: Record) -> dict:
    return {
        "key": record.key,
        "specification": _json(record.specification),
        "environment": _json(record.environment),
        "seconds": record.seconds,
        "labels": record.probs.shape[1],
        "probs": record.probs.astype(np.float16).ravel(),
        "digest": record.content_digest,
    }


def _records(file: Path) -> list[Record]:
    try:
        table = pq.read_table(file, schema=_SCHEMA)
        probs = table["probs"].combine_chunks()
        numbers, ends = probs.values.to_numpy(), probs.offsets.to_numpy()
        return [
            Record(
                row["key"],
                json.loads(row["specification"]),
                numbers[start:end].reshape(-1, row["labels"]),
                row["seconds"],
                json.loads(row["environment"]),
                row["digest"],
            )
            for row, start, end in zip(table.drop_columns("probs").to_pylist(), ends, ends[1:], strict=False)
        ]
    except (pa.ArrowException, OSError, TypeError, ValueError) as error:
        raise UserError(
            f"{places.shown(file)} is not a ledger: {first_line(error)}; remove it, and `label-risk run` "
            "trains again what it held"
        ) from None


def _json(content: dict) -> str:
    return json.dumps(content, sort_keys=True)
