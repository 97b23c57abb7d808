"""What a study is computed from: its corpora and annotators in numbers, and how its students are trained."""

import numpy as np
import pandas as pd

from helpers.findings.finding import Part, percent, span, with_counts
from helpers.findings.results import CorpusResults, Results
from helpers.students import Student


def materials(results: Results) -> Part:
    """A row a corpus: texts, splits, classes, and how far raters agree; and the settings of the students."""
    rows = [_row(one) for one in results.corpora.values()]
    return Part(with_counts(rows, "Votes a text, median"), _training(results.study.student))


def asked(results: Results) -> Part:
    """A row a corpus and annotator: how probable the labels are among all that it might answer, in median text.

    Annotators whose tables do not say it, as ready-made labels, have no row.
    """
    rows, on_labels = [], {}
    for one in results.corpora.values():
        for annotator in results.annotators:
            missing = one.missing.get(annotator, np.array([np.nan]))
            there = 1 - missing[np.isfinite(missing)]
            if not there.size or one.hard(annotator):
                continue
            on_labels.setdefault(annotator, []).append(float(np.median(there)))
            rows.append(
                {
                    "Corpus": one.name,
                    "Annotator": annotator,
                    "Probability of the labels in the median text, %": percent(np.median(there)),
                    "Texts whose labels have less than half of it, %": percent((there < 0.5).mean()),
                }
            )
    shares = [f"{name} {span(round(100 * share) for share in medians)} %" for name, medians in on_labels.items()]
    said = (
        f"Of all that an annotator might answer, the labels as they are spelt have, in the median text of a corpus: "
        f"{', '.join(shares)}. The rest is left out, and labels, entropies and divergences are of what remains, "
        "divided by its sum: where it is little, a label is not what the model would write."
        if shares
        else "No table says how probable the labels are among other answers."
    )
    return Part(pd.DataFrame(rows), said)


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
