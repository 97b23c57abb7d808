"""What several annotators share, and what joining their labels can give at best.

A vote mends mistakes that its voters do not share. How far they share them is a correlation; what a vote would give if
they did not, given the gold class, has a closed form, and so has what the best rule could give that sees nothing but
the labels. A voters, T texts, K classes.
"""

from itertools import product

import numpy as np

from helpers.measures._checks import as_labels, same_texts

#: Patterns of answers that `independent_vote` goes through at most.
MOST_PATTERNS = 300_000


def error_correlation(said, gold):
    """Correlation of being wrong between every two voters (phi), int (A, T) and (T,) -> (A, A), -1 to 1.

    1 means that they err on the same texts, 0 that one's mistakes say nothing of the other's. Mistakes that cluster in
    hard classes correlate too. nan where a voter is never wrong or always.
    """
    wrong = _wrong(said, gold).astype(float)
    wrong -= wrong.mean(1, keepdims=True)
    sd = wrong.std(1)
    scale = np.outer(sd, sd)
    return np.divide(wrong @ wrong.T / wrong.shape[1], scale, out=np.full(scale.shape, np.nan), where=scale > 0)


def mean_correlation(said, gold):
    """Mean of `error_correlation` over pairs of different voters; nan where none is defined."""
    found = error_correlation(said, gold)[np.triu_indices(len(said), 1)]
    return float(np.nanmean(found)) if np.isfinite(found).any() else np.nan


def effective_voters(n_voters, correlation):
    """How many voters with unrelated mistakes are worth as much: A / (1 + (A - 1) rho) (Kish, 1965, Survey Sampling).

    1 where all err on the same texts, A where mistakes are unrelated; a correlation below zero makes it more than A.
    nan where the denominator is not positive.
    """
    denominator = 1 + (n_voters - 1) * correlation
    return n_voters / denominator if denominator > 0 else np.nan


def vote_right(said, gold, *, n_classes):
    """Chance that the majority is right, ties drawn at random, int (A, T) and (T,) -> float (T,), 0 to 1."""
    said, gold = _checked(said, gold, n_classes=n_classes)
    counts = np.stack([(said == k).sum(0) for k in range(n_classes)], axis=-1)
    return _right(counts, gold)


def independent_vote(said, gold, *, n_classes):
    """Accuracy of a majority vote if, given the gold class, the voters' answers were independent.

    Each voter answers as its own confusion matrix says; ties are drawn at random. What the real vote falls short of
    this is what the voters share beyond the class.

    Raises
    ------
    ValueError
        If K to the power of A is too large to go through.
    """
    said, gold = _checked(said, gold, n_classes=n_classes)
    if n_classes ** len(said) > MOST_PATTERNS:
        raise ValueError(f"{len(said)} voters of {n_classes} classes have too many patterns of answers")
    patterns = np.array(list(product(range(n_classes), repeat=len(said))))
    counts = np.stack([(patterns == k).sum(1) for k in range(n_classes)], axis=-1)
    total = 0.0
    for c in np.unique(gold):
        of_class = said[:, gold == c]
        answers = np.stack([(of_class == k).mean(1) for k in range(n_classes)], axis=-1)  # A, K
        chance = answers[np.arange(len(said)), patterns].prod(1)
        total += (gold == c).mean() * chance @ _right(counts, np.full(len(patterns), c))
    return float(total)


def best_rule(said, gold):
    """Share of texts that the best rule gets right which sees the voters' labels only, chosen in hindsight.

    No vote, weighting or model of the voters does better on these texts without looking at them. With many voters there
    are few texts of each pattern, and the bound is loose.
    """
    said, gold = _checked(said, gold)
    _, pattern = np.unique(said, axis=1, return_inverse=True)
    counts = np.zeros((pattern.max() + 1, int(gold.max()) + 1))
    np.add.at(counts, (pattern.ravel(), gold), 1)
    return float(counts.max(1).sum() / len(gold))


def any_right(said, gold):
    """Share of texts that at least one voter labels right."""
    return float((~_wrong(said, gold)).any(0).mean())


def _right(counts, gold):
    """Chance that the class of most votes is gold, ties at random, (T, K) and (T,) -> (T,)."""
    top = counts == counts.max(-1, keepdims=True)
    return top[np.arange(len(gold)), gold] / top.sum(-1)


def _wrong(said, gold):
    said, gold = _checked(said, gold)
    return said != gold


def _checked(said, gold, *, n_classes=None):
    said, gold = as_labels(said, "said", n_classes=n_classes), as_labels(gold, "gold", n_classes=n_classes)
    if said.ndim != 2:
        raise ValueError(f"said: expected (n_voters, n_texts), got shape {said.shape}")
    same_texts(said=said, gold=gold)
    return said, gold
