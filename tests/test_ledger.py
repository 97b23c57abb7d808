"""The ledger: what is written is read, wholly or not at all."""

from dataclasses import replace

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from helpers import ledger
from helpers.errors import UserError
from helpers.ledger import Ledger, Record


def record(key="ab12", probs=((0.25, 0.75), (1.0, 0.0)), seconds=1.5):
    return Record(key, {"corpus": "tweets", "seed": 0}, np.array(probs, dtype=np.float16), seconds, {"torch": "x"})


@pytest.fixture
def book(tmp_path):
    return Ledger(results=tmp_path / "results", own=tmp_path / "own")


def test_what_is_added_is_found(book):
    assert "ab12" not in book
    book.add(record())
    found = book["ab12"]
    assert "ab12" in book
    assert found.probs.tolist() == record().probs.tolist()
    assert found.specification == record().specification
    assert found.digest == found.content_digest


@given(
    arrays(
        np.float16,
        array_shapes(min_dims=2, max_dims=2, min_side=1, max_side=6),
        elements=st.floats(0, 1, width=16),
    )
)
def test_probabilities_survive_to_the_bit(tmp_path_factory, probs):
    file = tmp_path_factory.mktemp("ledger") / "x.parquet"
    ledger.compact([record(probs=probs)], file)
    book = Ledger(results=file.parent, own=file.parent / "own")
    assert book["ab12"].probs.tobytes() == probs.tobytes()


def test_compacting_is_the_same_bytes_in_any_order(tmp_path):
    records = [record("b"), record("a"), record("c")]
    ledger.compact(records, tmp_path / "one.parquet")
    ledger.compact(reversed(records), tmp_path / "two.parquet")
    assert (tmp_path / "one.parquet").read_bytes() == (tmp_path / "two.parquet").read_bytes()


def test_committed_and_own_runs_are_read_together(tmp_path):
    (tmp_path / "results").mkdir()
    ledger.compact([record("aa")], tmp_path / "results" / "default.parquet")
    book = Ledger(results=tmp_path / "results", own=tmp_path / "own")
    book.add(record("bb"))
    assert book["aa"].key == "aa"
    assert book["bb"].key == "bb"


def test_a_run_that_was_changed_is_not_compacted(tmp_path, book):
    """In the new file its digest would be that of what it was changed into."""
    book.add(record())
    changed = replace(book["ab12"], probs=book["ab12"].probs[::-1])
    with pytest.raises(UserError, match="run ab12: the stored probabilities are not those that were written"):
        ledger.compact([record("b"), changed], tmp_path / "one.parquet")
    assert not (tmp_path / "one.parquet").exists()


def test_half_a_file_is_never_seen(book):
    """A process that is killed while it writes leaves a hidden file under another name."""
    book.add(record("cc"))
    folder = book.own / "dd"
    folder.mkdir()
    (folder / ".dd34.parquet.999").write_bytes(b"PAR1 half")
    assert "dd34" not in book


def test_a_changed_probability_changes_the_digest():
    changed = record(probs=((0.25, 0.75), (0.999, 0.0)))
    assert changed.content_digest != record().content_digest


def _not_parquet(file):
    file.write_bytes(b"not parquet")


def _another_table(file):
    pq.write_table(pa.table({"key": ["ab12"], "score": [1.0]}), file)


def _a_row_of_something_else(file):
    ledger.compact([record()], file)
    table = pq.read_table(file)
    pq.write_table(table.set_column(1, "specification", pa.array(["no JSON"])), file)


@pytest.mark.parametrize("write", [_not_parquet, _another_table, _a_row_of_something_else])
def test_what_is_not_a_ledger_is_named(tmp_path, write):
    write(tmp_path / "broken.parquet")
    with pytest.raises(UserError, match=r"broken\.parquet is not a ledger"):
        "x" in Ledger(results=tmp_path, own=tmp_path / "own")  # noqa: B015
