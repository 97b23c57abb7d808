"""What a classifier that has not seen a label thinks of it: the second opinion that confident learning reads.

A linear classifier on the embeddings of a probe is fitted to an annotator's labels, fold by fold, and gives each text
the probabilities of the fold that left it out. No gold is used. The result is stored like a table of annotations, for
two reasons: it takes an encoder, which should not be needed to say which runs a study has; and another machine's
rounding would move texts across a filter's edge, so that the runs of a shared ledger would no longer be found.
"""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import sklearn
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import KFold

from helpers import annotations, device
from helpers.annotations import CROSSFIT
from helpers.corpora import Corpus, splits
from helpers.prompts import Prompt
from helpers.students import encoders, probe

#: Folds, the seed that deals texts to them, and scikit-learn's C on embeddings of length 1. Constants of the design.
FOLDS, _SEED, _STRENGTH = 5, 2504, 10.0


def write(
    corpus: Corpus,
    annotator: str,
    prompt: Prompt,
    *,
    rows: np.ndarray,
    folder: Path,
    encoder: str = "minilm",
    max_tokens: int = 256,
) -> Path:
    """Fit and write the table for the labels that `annotator` gave the texts at `rows`; see `helpers.annotations`.

    Parameters
    ----------
    prompt
        That of the table to write: `helpers.labels.tables.wording`.
    folder
        Where the table goes. The annotator's own is looked for there first.

    Raises
    ------
    UserError
        If there are no annotations of these rows, or the encoder cannot be loaded.
    """
    asked = replace(prompt, name=prompt.name.removesuffix(CROSSFIT))
    file = annotations.path(folder, corpus.name, annotator, asked.name)
    if file.is_file():
        table = annotations.read(file, corpus, asked, rows=rows)
    else:
        table = annotations.lookup(corpus, annotator, asked, rows=rows)
    known = np.isfinite(table.probs[rows]).all(axis=1)
    vectors = np.asarray(probe.embeddings(encoder, corpus, max_tokens)[rows[known]])
    probs = np.full((len(rows), len(corpus.labels)), np.nan)
    texts = corpus.rows["text"].iloc[rows[known]]
    probs[known] = out_of_sample(
        vectors, table.probs[rows[known]].argmax(axis=1), len(corpus.labels), groups=splits.same(texts)
    )
    provenance = {
        "model_hash": encoders.fingerprint(encoder),
        "annotator_hash": table.provenance.get("model_hash"),
        "labels_hash": table.labels_hash(rows),
        "compute": device.compute_type(),
        "folds": FOLDS,
        "machine": {"scikit-learn": sklearn.__version__, "numpy": np.__version__},
    }
    with np.errstate(divide="ignore"):
        logp = np.log(probs)
    return annotations.write(corpus, annotator, prompt, logp, folder=folder, rows=rows, provenance=provenance)


def out_of_sample(
    vectors: np.ndarray, labels: np.ndarray, n_labels: int, *, groups: np.ndarray | None = None
) -> np.ndarray:
    """Probabilities of each text from a logistic regression on the texts of the other folds.

    Parameters
    ----------
    vectors
        float (n, width).
    labels
        int (n,). A class that a fold's other texts lack has probability 0 there.
    groups
        int (n,). Texts of one group share a fold: of equal texts, one would tell of the other's label. By default each
        is alone.

    Returns
    -------
    np.ndarray
        float (n, K), rows sum to 1.
    """
    probs = np.zeros((len(labels), n_labels))
    dealt = np.arange(len(labels)) if groups is None else pd.factorize(groups)[0]
    if len(np.unique(dealt)) < FOLDS:
        probs[np.arange(len(labels)), labels] = 1  # too few to leave any out: the label stands
        return probs
    for _, left_out in KFold(FOLDS, shuffle=True, random_state=_SEED).split(np.unique(dealt)):
        unseen = np.flatnonzero(np.isin(dealt, left_out))
        seen = np.setdiff1d(np.arange(len(labels)), unseen)
        classes = np.unique(labels[seen])
        if len(classes) == 1:
            probs[unseen, classes[0]] = 1
        else:
            model = LogisticRegression(C=_STRENGTH, max_iter=1000).fit(vectors[seen], labels[seen])
            probs[unseen[:, None], model.classes_] = model.predict_proba(vectors[unseen])
    return probs
