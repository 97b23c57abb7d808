"""How the students' learning rate was chosen: gold students of 250 texts, judged on the end of the training pool.

    python benchmarks/learning_rate.py

The test split is not looked at. One rate serves all corpora and all label sources; the best mean macro-F1 wins.
Writes `benchmarks/results/learning_rate.json`.
"""

import itertools
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
from tqdm import tqdm

from helpers import corpora, device, pools, students
from helpers.corpora import Corpus
from helpers.measures.accuracy import macro_f1
from helpers.students import Student

RATES = (5e-5, 1e-4, 2e-4)
SEEDS = (0, 1)
N, HELD_OUT = 250, 700


def within_pool(corpus: Corpus) -> Corpus:
    """The corpus with its first texts of the pool to train on, and its last ones in place of the test split."""
    rows = corpus.rows[corpus.rows["rank"] >= 0].reset_index(drop=True)
    rank = rows["rank"].to_numpy()
    keep = (rank < N) | (rank >= len(rank) - HELD_OUT)
    return replace(corpus, rows=rows.assign(rank=np.where(rank < N, rank, -1))[keep].reset_index(drop=True), votes=None)


def score(cell: tuple[str, float, int]) -> float:
    """Macro-F1 of one student on the held-out texts."""
    name, rate, seed = cell
    corpus = within_pool(corpora.load(name))
    rows = corpus.subset(N)
    targets = np.eye(len(corpus.labels), dtype=np.float32)[corpus.gold[rows]]
    probs = students.train(Student(learning_rate=rate), corpus, rows, targets, seed=seed)
    return float(macro_f1(probs.argmax(1), corpus.gold[corpus.test], n_classes=len(corpus.labels)))


def main() -> None:
    """Train and judge every combination."""
    cells = list(itertools.product(corpora.BUILT_IN, RATES, SEEDS))
    with pools.Processes(device.cores()) as pool:
        scores = dict(zip(cells, tqdm(pool.map(score, cells), total=len(cells), unit="student"), strict=True))
    mean = {str(rate): float(np.mean([s for cell, s in scores.items() if cell[1] == rate])) for rate in RATES}
    report = {
        "n": N,
        "held_out": HELD_OUT,
        "macro_f1": [
            {"corpus": name, "rate": rate, "seed": seed, "value": value} for (name, rate, seed), value in scores.items()
        ],
        "mean": mean,
        "best": max(mean, key=mean.get),
        "machine": device.describe() | {"compute": device.compute_type()},
    }
    file = Path(__file__).parent / "results/learning_rate.json"
    file.write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
