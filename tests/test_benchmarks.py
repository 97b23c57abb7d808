"""The report on speed: made from what was measured, and the arithmetic on paper."""

import pytest

from benchmarks import report, scaling
from helpers import places

FOLDER = places.ROOT / "benchmarks"


def test_the_report_is_what_the_measurements_give(tmp_path):
    report.write(FOLDER / "results", tmp_path / "REPORT.md")
    assert (tmp_path / "REPORT.md").read_text(encoding="utf-8") == (FOLDER / "REPORT.md").read_text(encoding="utf-8")


def test_the_slowest_part_ends_the_scaling():
    found = scaling.limit(
        run_seconds=9.9,
        client_seconds=0.002,
        scheduler_seconds=0.005,
        gap_seconds=0.1,
        bytes_per_run=1000,
        bytes_per_second=1e6,
    )
    assert found["slowest"] == "scheduler"
    assert found["workers"] == pytest.approx(2000)
    assert found["runs_per_second"] == pytest.approx(200)
    assert found["efficiency_before"] == pytest.approx(0.99)


def test_the_paper_s_set_up_by_hand():
    """Two runs of 10 and 20 texts of one token; an encoder of 5 parameters, at 10 operations a second."""
    setup = {
        "corpora": 1,
        "label sources": 1,
        "sizes": [10, 20],
        "seeds": 1,
        "test texts": 40,
        "tokens a text": 1,
        "epochs": 1,
        "encoder": 5,
        "annotators": [60, 120],
        "flops a second": 20,
        "share": 0.5,
        "GPUs": [1, 2],
    }
    found = scaling.paper_setup(setup, overhead_seconds=3)
    # 2 x 5 operations a text: 30 + 40 and 60 + 40 texts.
    assert found["1"]["training"] * 3600 == pytest.approx(70 + 100 + 6)
    assert found["2"]["training"] * 3600 == pytest.approx(103)
    assert found["1"]["annotating"] * 3600 == pytest.approx(2 * 180 * 60 / 10)
    assert found["2"]["annotating"] == pytest.approx(found["1"]["annotating"] / 2)
    assert found["1"]["of it overhead"] * 3600 == pytest.approx(6)
    assert found["runs"] == 2
