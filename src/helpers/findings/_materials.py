"""What a study is computed from: its corpora in numbers, and how its students are trained."""

import numpy as np

from helpers.findings.finding import Part, percent, with_counts
from helpers.findings.results import CorpusResults, Results
from helpers.students import Student


def materials(results: Results) -> Part:
    """A row a corpus: texts, splits, classes, and how far raters agree; and the settings of the students."""
    rows = [_row(one) for one in results.corpora.values()]
    return Part(with_counts(rows, "Votes a text, median"), _training(results.study.student))


def _row(one: CorpusResults) -> dict:
    corpus = one.corpus
    shares = np.bincount(corpus.gold, minlength=one.n_classes) / len(corpus.gold)
    row = {
        "Corpus": one.name,
        "Texts": len(corpus.rows),
        "To train on": len(corpus.pool),
        "To test on": len(corpus.test),
        "Classes, % of gold": ", ".join(
            f"{label} {100 * share:.0f}" for label, share in zip(corpus.labels, shares, strict=True)
        ),
    }
    if corpus.votes is None:
        return row
    votes = corpus.votes.sum(axis=1)
    with_gold = corpus.votes[np.arange(len(votes)), corpus.gold] / votes
    return row | {
        "Votes a text, median": int(np.median(votes)),
        "One person gives the gold label, %": percent(with_gold.mean()),
    }


def _training(student: Student) -> str:
    """The settings in words, and from how many labels on training gets longer."""
    longer = max(student.min_steps // student.epochs, 1) * student.batch_size
    return (
        f"Students of every label source are trained alike: AdamW without weight decay, a learning rate of "
        f"{student.learning_rate:.10f}".rstrip("0")
        + f" that rises over the first {100 * student.warmup:g} % of the steps and then falls to zero, batches of "
        f"{student.batch_size} texts of at most {student.max_tokens} tokens, {student.epochs} passes and at least "
        f"{student.min_steps} steps. So up to {longer} labels training has one length, and gets longer beyond."
    )
