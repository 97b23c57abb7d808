"""How an annotator's error reaches the student: the decomposition of the error, exactly.

P is the distribution of labels that raters give a text, P_S the annotator's, P_hat the student's (P̂ in
formulas). Lu & Smith (2025, arXiv 2504.15432) read

    E[KL(P ‖ P̂)]  ≈  KL(P ‖ P_S)  +  E[KL(P_S ‖ P̂)]
                      approximation     estimation

and the remainder of the "≈" is a cross term that can be large and of either sign. For every text, exactly,

    KL(P ‖ P̂) = KL(P ‖ P_S) + KL(P_S ‖ P̂) + Σ_k (P - P_S)_k log(P_S / P̂)_k.

The squared error of the Brier score splits in the same way and stays finite where probabilities are zero. All
in nats. Terms are named `approximation`, `estimation`, `cross` and `total` in every result of this package.
"""

import numpy as np
from scipy.special import rel_entr

from helpers.measures._checks import as_distributions, as_generator

FLOOR = 1e-4
"""Default least probability given to P_S and P̂ before logs: one certain mistake costs at most 9.2 nats."""


def smooth_votes(votes, *, alpha=0.5):
    """Raters' votes to distributions: (count + alpha) / (total + K alpha), (T, K) -> (T, K).

    alpha = 0.5 is the Jeffreys prior (Krichevsky & Trofimov, 1981, IEEE Transactions on Information Theory
    27).

    Raises
    ------
    ValueError
        On negative counts, negative alpha, or alpha = 0 on a text without votes.
    """
    votes = _as_votes(votes)
    total = votes.sum(-1, keepdims=True)
    if alpha < 0 or (alpha == 0 and (total == 0).any()):
        raise ValueError(f"alpha must be positive where a text has no votes, and never negative; got {alpha}")
    return (votes + alpha) / (total + alpha * votes.shape[-1])


def harden(probs, *, floor=FLOOR):
    """One-hot of the most probable class with every other class at about `floor`, (..., K) -> (..., K).

    For annotators that give a label and no probabilities: without the floor, their first mistake is infinite.
    """
    probs = as_distributions(probs, "probs")
    return _floored(np.eye(probs.shape[-1])[probs.argmax(-1)], floor)


def kl(p, q, *, floor=0.0):
    """Kullback-Leibler divergence KL(p ‖ q) in nats, (..., K) -> (...,), at least 0.

    A class with p = 0 adds nothing. One with p > 0 and q = 0 makes it infinite, unless `floor` > 0 first
    raises q to at least `floor` and renormalises.
    """
    p, q = as_distributions(p, "p"), _floored(as_distributions(q, "q"), floor)
    return np.maximum(rel_entr(p, q).sum(-1), 0.0)


def decompose_by_text(p, p_s, p_hat, *, floor=FLOOR):
    """Split KL(P ‖ P̂) into its terms for every text and seed, to be averaged or bootstrapped.

    Parameters
    ----------
    p, p_s : float array (T, K)
    p_hat : float array (..., T, K), leading axes usually seeds
    floor : float
        Least probability given to p_s and p_hat, the same in all terms, so the identity stays exact. Zero is
        allowed where neither has a zero. The terms depend on it as soon as one of them is nearly certain and
        wrong: show `decompose_brier_by_text` beside it.

    Returns
    -------
    dict of float arrays (..., T): approximation, estimation, cross, total, where the first three sum to the
    last

    Raises
    ------
    ValueError
        When p_s or p_hat holds a zero after flooring.
    """
    p, p_s, p_hat = _three(p, p_s, p_hat)
    p_s, p_hat = _floored(p_s, floor), _floored(p_hat, floor)
    if (p_s == 0).any() or (p_hat == 0).any():
        raise ValueError("p_s or p_hat holds zeros, whose log is infinite; pass floor > 0")
    total = rel_entr(p, p_hat).sum(-1)
    return {
        "approximation": np.broadcast_to(rel_entr(p, p_s).sum(-1), total.shape),
        "estimation": rel_entr(p_s, p_hat).sum(-1),
        "cross": ((p - p_s) * (np.log(p_s) - np.log(p_hat))).sum(-1),
        "total": total,
    }


def decompose(p, p_s, p_hat, *, floor=FLOOR):
    """Average the terms of `decompose_by_text` over texts and seeds: dict of floats, in nats."""
    return {term: float(values.mean()) for term, values in decompose_by_text(p, p_s, p_hat, floor=floor).items()}


def decompose_brier_by_text(p, p_s, p_hat):
    """Split the squared error ‖P - P̂‖² into the same four terms for every text and seed.

    ‖P - P̂‖² = ‖P - P_S‖² + ‖P_S - P̂‖² + 2 ⟨P - P_S, P_S - P̂⟩. Zeros need no floor; each square is at most
    2.

    Returns
    -------
    dict of float arrays (..., T): approximation, estimation, cross, total, where the first three sum to the
    last
    """
    p, p_s, p_hat = _three(p, p_s, p_hat)
    total = ((p - p_hat) ** 2).sum(-1)
    return {
        "approximation": np.broadcast_to(((p - p_s) ** 2).sum(-1), total.shape),
        "estimation": ((p_s - p_hat) ** 2).sum(-1),
        "cross": 2 * ((p - p_s) * (p_s - p_hat)).sum(-1),
        "total": total,
    }


def decompose_brier(p, p_s, p_hat):
    """Average the terms of `decompose_brier_by_text` over texts and seeds: dict of floats."""
    return {term: float(values.mean()) for term, values in decompose_brier_by_text(p, p_s, p_hat).items()}


def split_half_kl(votes, *, rng, n_splits=20, alpha=0.5):
    """Human ceiling: KL from half of a text's raters to the other half, (T, K) counts -> (T,), nats.

    Votes of each text are dealt into two halves without replacement (multivariate hypergeometric), both are
    smoothed as in `smooth_votes`, and the divergence is averaged over splits and both directions. Two halves
    hold fewer votes than the whole, so an annotator compared with all votes can beat this ceiling without
    knowing more than a person.

    Returns
    -------
    float array (T,); nan where a text has fewer than two votes
    """
    return _split_half(votes, lambda p, q: (kl(p, q) + kl(q, p)) / 2, rng=rng, n_splits=n_splits, alpha=alpha)


def split_half_brier(votes, *, rng, n_splits=20, alpha=0.5):
    """Human ceiling of the squared error: ‖P_half - P_rest‖², 0 to 2; otherwise as `split_half_kl`."""
    return _split_half(votes, lambda p, q: ((p - q) ** 2).sum(-1), rng=rng, n_splits=n_splits, alpha=alpha)


def _split_half(votes, distance, *, rng, n_splits, alpha):
    votes = _as_votes(votes)
    enough = votes.sum(-1) >= 2
    apart = np.full(len(votes), np.nan)
    apart[enough] = 0.0
    for half, rest in _halves(votes[enough], rng, n_splits):
        apart[enough] += distance(smooth_votes(half, alpha=alpha), smooth_votes(rest, alpha=alpha)) / n_splits
    return apart


def vote_bias(votes, q, *, rng, n_splits=20, alpha=0.5, floor=FLOOR):
    """How much KL(P ‖ q) owes to P being estimated from few votes: an estimate of its bias, (T,), nats.

    The bias of a plug-in divergence falls as 1 / m with m votes, to first order (Treves & Panzeri, 1995,
    Neural Computation 7), so going from m to m / 2 votes adds what the m votes themselves had added: the mean
    over random halves of KL(P_half ‖ q), minus KL(P ‖ q). Its mean over texts is to be subtracted from the
    mean divergence; for a single text it is noise. With alpha = 0 it is within a third or so from six votes
    on; with alpha = 0.5 the smoothing hides much of the bias from it, half at ten votes and a quarter at
    twenty.

    Parameters
    ----------
    votes : int array (T, K)
    q : float array (T, K)
    alpha, floor : float
        As in the divergence whose bias is wanted.

    Returns
    -------
    float array (T,); nan where a text has fewer than two votes
    """
    votes, q = _as_votes(votes), as_distributions(q, "q")
    if votes.shape != q.shape:
        raise ValueError(f"texts or classes differ: votes {votes.shape}, q {q.shape}; align by row id")
    enough = votes.sum(-1) >= 2
    votes, q = votes[enough], q[enough]
    added = -kl(smooth_votes(votes, alpha=alpha), q, floor=floor)
    for halves in _halves(votes, rng, n_splits):
        for half in halves:
            added += kl(smooth_votes(half, alpha=alpha), q, floor=floor) / (2 * n_splits)
    bias = np.full(len(enough), np.nan)
    bias[enough] = added
    return bias


def _halves(votes, rng, n_splits):
    """Yield `n_splits` random splits of every text's votes into two halves, the second with the odd vote."""
    as_generator(rng)
    if n_splits < 1:
        raise ValueError(f"n_splits must be at least 1, got {n_splits}")
    n_votes = votes.sum(-1)
    for _ in range(n_splits):
        needed = n_votes // 2
        # One class after the other, given those before: the multivariate law, for all texts at once.
        left = n_votes.copy()
        half = np.empty_like(votes)
        for k in range(votes.shape[-1]):
            left = left - votes[..., k]
            half[..., k] = rng.hypergeometric(votes[..., k], left, needed)
            needed = needed - half[..., k]
        yield half, votes - half


def _floored(q, floor):
    if not 0 <= floor < 1 / q.shape[-1]:
        raise ValueError(f"floor must lie in 0..1/K, got {floor} for {q.shape[-1]} classes")
    if floor == 0:
        return q
    q = np.maximum(q, floor)
    return q / q.sum(-1, keepdims=True)


def _three(p, p_s, p_hat):
    p, p_s, p_hat = as_distributions(p, "p"), as_distributions(p_s, "p_s"), as_distributions(p_hat, "p_hat")
    if not p.shape == p_s.shape == p_hat.shape[-p.ndim :]:
        raise ValueError(f"texts or classes differ: p {p.shape}, p_s {p_s.shape}, p_hat {p_hat.shape}; align by row id")
    return p, p_s, p_hat


def _as_votes(votes):
    votes = np.asarray(votes)
    if votes.ndim != 2 or votes.shape[1] < 2:
        raise ValueError(f"votes: expected counts (n_texts, n_classes), n_classes >= 2, got {votes.shape}")
    whole = votes.astype(np.int64)
    if (whole != votes).any() or (whole < 0).any():
        raise ValueError("votes: expected non-negative whole counts of raters per class")
    return whole
