"""Splits: which texts are for testing, and in which order the others are trained on.

Texts that belong together (the same text, near-duplicates, one author) never straddle the split. A split follows from
the rows and a seed alone: it needs no library whose next version might draw otherwise.
"""

import hashlib
from collections.abc import Sequence

import numpy as np
import pandas as pd

from helpers import places

#: Seeds the split and the order of the training pool. A constant of the design, not a parameter: another split
#: is another corpus.
SPLIT_SEED = 2504

#: What `rank` says of texts outside the training pool: test texts, and texts whose gold label went into the prompt.
TEST, SPENT = -1, -2
#: The fold of texts that are spent.
OUT = -1

_SHINGLE = 5
_PERMUTATIONS = 64
_CHARACTERS = 20_000


def ranks(texts: pd.Series, test_size: int) -> np.ndarray:
    """Split texts into a test set and a ranked training pool, at random.

    Texts that are equal but for case and white space never straddle the two: they are drawn as one group.

    Parameters
    ----------
    texts
        The texts, (rows,).
    test_size
        Number of texts in the test split; exceeded by less than one group of duplicates.

    Returns
    -------
    np.ndarray
        int array (rows,): -1 for test texts, else the rank in the training pool.
    """
    groups = same(texts)
    rng = np.random.default_rng(SPLIT_SEED)
    order = rng.permutation(groups.max() + 1)
    # Rows in the order in which their groups were drawn; within a group in file order.
    drawn = np.argsort(np.argsort(order)[groups], kind="stable")
    cut = int(np.searchsorted(np.cumsum(np.bincount(groups)[order]), test_size)) + 1
    in_test = np.isin(groups, order[:cut])
    rank = np.full(len(texts), TEST)
    pool = drawn[~in_test[drawn]]
    # Shuffled again, so that duplicates are not neighbours in the pool.
    rank[rng.permutation(pool)] = np.arange(len(pool))
    return rank


def stratified(gold: np.ndarray, groups: np.ndarray, test_size: int, *, seed: int = SPLIT_SEED) -> np.ndarray:
    """Draw a test split that has the classes in the shares of the whole, and no group in part.

    Parameters
    ----------
    gold
        Class of each row, int (rows,).
    groups
        Group of each row, int (rows,).
    test_size
        Number of rows in the test split. Reached unless groups are large: then it is the size that whole groups
        come to from below, or the smallest group if none is that small.

    Returns
    -------
    np.ndarray
        bool (rows,): whether a row is in the test split.
    """
    return _draw(gold, groups, _quotas(np.bincount(gold), test_size), np.random.default_rng(seed))


def folds(gold: np.ndarray, groups: np.ndarray, number: int, *, seed: int = SPLIT_SEED) -> np.ndarray:
    """Divide rows into `number` test splits of about one size, stratified by class; no group is divided.

    Groups are drawn as for one test split. Where some are so large that nothing is left for the last folds, they are
    packed instead (`_packed`).

    Returns
    -------
    np.ndarray
        int (rows,), the fold of each row, 0..number-1. None is empty if there are as many groups as folds.
    """
    rng = np.random.default_rng(seed)
    fold = np.full(len(gold), number - 1)
    left = np.arange(len(gold))
    for k in range(number - 1):
        if not len(left):  # fewer groups than folds
            break
        size = round(len(left) / (number - k))
        chosen = _draw(gold[left], groups[left], _quotas(np.bincount(gold[left]), size), rng)
        fold[left[chosen]] = k
        left = left[~chosen]
    if not np.bincount(fold, minlength=number).all():
        return _packed(gold, groups, number, np.random.default_rng(seed))
    return fold


def _packed(gold: np.ndarray, groups: np.ndarray, number: int, rng: np.random.Generator) -> np.ndarray:
    """Put groups into folds, the largest first, each into the one with fewest rows so far; int (rows,).

    Of folds with as many rows, the one with fewest of the group's classes gets it. Groups of one size come in random
    order.
    """
    groups, counts = _counts(gold, groups)
    order = rng.permutation(len(counts))
    order = order[np.argsort(-counts.sum(axis=1)[order], kind="stable")]
    held = np.zeros((number, counts.shape[1]), dtype=int)
    fold = np.zeros(len(counts), dtype=int)
    for group in order:
        fold[group] = np.lexsort((held @ counts[group], held.sum(axis=1)))[0]
        held[fold[group]] += counts[group]
    return fold[groups]


def ranked(fold: np.ndarray, k: int, *, seed: int = SPLIT_SEED) -> np.ndarray:
    """Ranks with fold `k` as the test split, and all others as the training pool.

    The order of the pool is random and not stratified: where an annotator gives the labels there are none to stratify
    by, and a pool that is balanced by gold would be a favour that practice does not do.

    Parameters
    ----------
    fold
        Fold of each row, int (rows,); `OUT` for rows that are spent.

    Returns
    -------
    np.ndarray
        int (rows,): the rank in the training pool, `TEST` or `SPENT`. The order of two rows does not depend on which
        others are spent.
    """
    rank = np.full(len(fold), TEST)
    rank[fold == OUT] = SPENT
    order = np.random.default_rng([seed, k]).permutation(len(fold))
    pool = order[((fold != k) & (fold != OUT))[order]]
    rank[pool] = np.arange(len(pool))
    return rank


def straddling(in_test: np.ndarray, groups: np.ndarray) -> np.ndarray:
    """Which training rows share a group with a test row, bool (rows,): they must be left out."""
    return ~in_test & np.isin(groups, groups[in_test])


def _quotas(sizes: np.ndarray, total: int) -> np.ndarray:
    """`total` divided in proportion to `sizes` by largest remainders, (classes,)."""
    exact = sizes * (total / max(1, sizes.sum()))
    quotas = np.floor(exact).astype(int)
    most = np.argsort(-(exact - quotas), kind="stable")[: total - quotas.sum()]
    quotas[most] += 1
    return quotas


def _counts(gold: np.ndarray, groups: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The groups numbered 0, 1, …, (rows,), and how many rows of each class they have, (groups, classes)."""
    _, groups = np.unique(groups, return_inverse=True)
    counts = np.zeros((groups.max() + 1, gold.max() + 1), dtype=int)
    np.add.at(counts, (groups, gold), 1)
    return groups, counts


def _draw(gold: np.ndarray, groups: np.ndarray, quotas: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Draw whole groups, in random order, as long as they fit into what is left of each class's quota; bool (rows,)."""
    groups, counts = _counts(gold, groups)
    left, chosen = quotas.copy(), np.zeros(len(counts), dtype=bool)
    for group in rng.permutation(len(counts)):
        if (counts[group] <= left).all():
            chosen[group] = True
            left -= counts[group]
    if not chosen.any():
        chosen[counts.sum(axis=1).argmin()] = True
    return chosen[groups]


# What belongs together


def same(texts: pd.Series) -> np.ndarray:
    """Group of each text, int (rows,): equal texts, but for case and white space, share one."""
    return pd.factorize(texts.str.casefold().str.split().str.join(" "))[0]


def joined(*groupings: np.ndarray) -> np.ndarray:
    """Finest grouping that keeps together what any of `groupings` keeps together, int (rows,)."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    rows = len(groupings[0])
    left, right, start = [], [], rows
    for grouping in groupings:  # a graph of rows and groups
        _, index = np.unique(grouping, return_inverse=True)
        left.append(np.arange(rows))
        right.append(start + index)
        start += int(index.max()) + 1
    edges = np.concatenate(left), np.concatenate(right)
    graph = coo_array((np.ones(len(edges[0]), dtype=bool), edges), shape=(start, start))
    return connected_components(graph, directed=False)[1][:rows]


def near_duplicates(texts: Sequence[str], threshold: float) -> np.ndarray:
    """Group of each text, int (rows,): near-duplicates, and what they are linked by, share one.

    Two texts are near-duplicates if the sets of their 5-character pieces, case and white space aside, have a Jaccard
    similarity of `threshold` at least. Candidates come from MinHash and locality-sensitive hashing (Broder 1997; the
    library is `datasketch`), so a few pairs close to the threshold are missed; those found are compared exactly.
    Pieces are of characters and not of words: some scripts have no spaces. Of a text, the first 20,000 characters
    are looked at.

    The groups are kept in the cache, by the hash of the texts.
    """
    digest = hashlib.sha256(repr((threshold, _SHINGLE, _PERMUTATIONS, _CHARACTERS)).encode())
    for text in texts:
        digest.update(text.encode("utf-8", "surrogatepass") + b"\0")
    file = places.cache() / "groups" / f"{digest.hexdigest()[:32]}.npy"
    if not file.is_file():
        found = _near_duplicates(texts, threshold)
        with places.whole(file) as part, part.open("wb") as stream:
            np.save(stream, found)
    return np.load(file, allow_pickle=False)


def _near_duplicates(texts: Sequence[str], threshold: float) -> np.ndarray:
    from datasketch import MinHash, MinHashLSH
    from scipy.cluster.hierarchy import DisjointSet
    from tqdm.auto import tqdm

    # Above .9 the hashes would make too few bands to look texts up by; what is found is compared exactly anyway.
    index = MinHashLSH(threshold=min(threshold, 0.9), num_perm=_PERMUTATIONS)
    group = same(pd.Series(texts, dtype=object))
    _, first = np.unique(group, return_index=True)  # of equal texts, one is compared: there may be thousands
    linked = DisjointSet(first.tolist())
    empty = MinHash(num_perm=_PERMUTATIONS, hashfunc=int)
    for row in tqdm(first.tolist(), desc="near-duplicates, once", unit="text", leave=False, delay=2):
        pieces = _pieces(texts[row])
        sketch = empty.copy()  # with its permutations, which take time to draw
        sketch.update_batch(pieces)
        for other in index.query(sketch):
            # Pieces of candidates, which are few, are made again: those of all texts would take twice the memory.
            if not linked.connected(row, other) and _jaccard(pieces, _pieces(texts[other])) >= threshold:
                linked.merge(row, other)
        index.insert(row, sketch, check_duplication=False)
    return pd.factorize(np.array([linked[row] for row in first.tolist()], dtype=int)[group])[0]


def _pieces(text: str) -> np.ndarray:
    """Sorted 32-bit hashes of all pieces of a text, uint64, each once."""
    folded = " ".join(text[:_CHARACTERS].casefold().split()).ljust(_SHINGLE)
    codes = np.frombuffer(folded.encode("utf-32-le", "surrogatepass"), dtype="<u4").astype(np.uint64)
    windows = np.lib.stride_tricks.sliding_window_view(codes, _SHINGLE)
    # A polynomial of the characters, modulo 2^64, of which the upper half is kept: it is mixed best.
    weights = np.array([pow(0x9E3779B97F4A7C15, k + 1, 2**64) for k in range(_SHINGLE)], dtype=np.uint64)
    with np.errstate(over="ignore"):
        return np.unique((windows * weights).sum(axis=1, dtype=np.uint64) >> np.uint64(32))


def _jaccard(a: np.ndarray, b: np.ndarray) -> float:
    both = len(np.intersect1d(a, b, assume_unique=True))
    return both / (len(a) + len(b) - both)
