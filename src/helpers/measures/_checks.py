"""What every measure demands of its inputs, said once."""

import numpy as np

# A softmax computed in float32 misses one by about 1e-6; anything beyond this is a forgotten normalisation.
_SUM_TOLERANCE = 1e-4


def as_labels(labels, name, *, n_classes=None):
    """Integer class ids as an array (..., T) with T >= 1.

    Raises ValueError when empty or when an id falls outside 0..n_classes-1, TypeError when not integers.
    """
    labels = np.asarray(labels)
    if labels.ndim == 0 or labels.shape[-1] == 0:
        raise ValueError(
            f"{name}: expected class ids of shape (..., n_texts) with n_texts >= 1, got shape {labels.shape}"
        )
    if not np.issubdtype(labels.dtype, np.integer):
        raise TypeError(f"{name}: expected integer class ids, got {labels.dtype}; take `predictions(probs)` first")
    low, high = labels.min(), labels.max()
    if low < 0 or (n_classes is not None and high >= n_classes):
        upper = "" if n_classes is None else f"..{n_classes - 1}"
        raise ValueError(f"{name}: class ids must lie in 0{upper}, found {low}..{high}; drop texts without a label")
    return labels


def as_runs(pred, name, *, n_classes=None):
    """Predictions of S >= 2 seeds, shape (S, T)."""
    pred = as_labels(pred, name, n_classes=n_classes)
    if pred.ndim != 2 or pred.shape[0] < 2:
        raise ValueError(
            f"{name}: expected (n_seeds, n_texts) with at least 2 seeds to compare, got shape {pred.shape}"
        )
    return pred


def same_texts(**arrays):
    """Raise ValueError unless the last axes (texts) have the same length."""
    lengths = {name: np.shape(array)[-1] for name, array in arrays.items()}
    if len(set(lengths.values())) > 1:
        found = ", ".join(f"{name} has {length}" for name, length in lengths.items())
        raise ValueError(f"numbers of texts differ: {found}; select the same texts, in the same order")


def as_distributions(p, name):
    """Probabilities (..., K) as float64. Raises ValueError unless finite, non-negative and summing to one."""
    p = np.asarray(p, dtype=float)
    if p.ndim == 0 or p.shape[-1] < 2:
        raise ValueError(f"{name}: expected probabilities of shape (..., n_classes) with n_classes >= 2, got {p.shape}")
    if not np.isfinite(p).all() or (p < 0).any():
        raise ValueError(f"{name}: probabilities must be finite and non-negative")
    worst = np.abs(p.sum(-1) - 1).max(initial=0)
    if worst > _SUM_TOLERANCE:
        raise ValueError(
            f"{name}: probabilities must sum to 1 over the last axis, one is off by {worst:.2g}; normalise"
        )
    return p


def as_generator(rng):
    """Raise TypeError unless `rng` is a numpy Generator: a measure never draws from a hidden global state."""
    if not isinstance(rng, np.random.Generator):
        raise TypeError(f"rng: expected a numpy.random.Generator, got {type(rng).__name__}; pass default_rng(seed)")
    return rng
