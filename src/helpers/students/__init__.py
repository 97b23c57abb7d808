"""Students: a small classifier, trained on labels of any source, that gives class probabilities for the test texts.

Three kinds. `finetune` trains a whole encoder and is what the findings are about; `upper` trains its upper layers only,
for first looks at large studies; `probe` trains a linear head on frozen embeddings, for quick looks and for tests.
Hyper-parameters are the same for every label source: nothing is tuned on gold, and no run stops early.
"""

from importlib import import_module
from typing import Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from helpers.corpora import Corpus

#: Raised whenever a change to the training code changes its numbers: finished runs of another version are other runs.
VERSION = 2


class Student(BaseModel):
    """What a study fixes about its students.

    Attributes
    ----------
    kind
        `finetune`, `upper` or `probe`.
    encoder
        An artifact's name (`minilm`), or `hf:` and a folder, a hub id, or a hub id with `@` and a revision.
    epochs, min_steps
        Training takes `epochs` passes, but at least `min_steps` steps, so that at small n a learning curve shows labels
        and not steps.
    batch_size, learning_rate, warmup
        AdamW without weight decay; the rate rises over the share `warmup` of the steps and falls linearly to 0.
    layers
        How many layers `upper` trains, counted from the top; the other kinds do not look at it.
    max_tokens
        Longer texts are cut, earlier where the encoder reads fewer.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    kind: Literal["finetune", "upper", "probe"] = "finetune"
    encoder: str = "minilm"
    epochs: int = Field(2, ge=1)
    min_steps: int = Field(150, ge=1)
    batch_size: int = Field(16, ge=1)
    learning_rate: float = Field(1e-4, gt=0)
    warmup: float = Field(0.1, ge=0, lt=1)
    layers: int = Field(1, ge=1)
    max_tokens: int = Field(256, ge=8)

    def steps(self, n: int) -> int:
        """Number of optimiser steps for `n` training texts."""
        return max(self.min_steps, self.epochs * -(-n // self.batch_size))

    def cost(self, n: int, tests: int) -> int:
        """Passes of one text through the student: three a training text (forward, twice that back), one a test text."""
        return 3 * self.steps(n) * self.batch_size + tests


def check(student: Student) -> None:
    """Refuse a student that cannot be trained, before anything is labelled for it.

    Raises
    ------
    UserError
        If the encoder is not there, is none, or is not of the kind that the student needs.
    """
    from helpers.students import encoders, upper

    encoders.check(student.encoder)
    if student.kind == "upper":
        upper.check(student, encoders.pristine(student.encoder, 2)[0])
    encoders.pristine.cache_clear()  # who checks does not train: what comes next needs the room


def train(student: Student, corpus: Corpus, rows: np.ndarray, targets: np.ndarray, *, seed: int) -> np.ndarray:
    """Train one student and return its class probabilities for the test split.

    Parameters
    ----------
    corpus
        Texts to train on and to test on.
    rows
        Positions in `corpus.rows` of the training texts, int array (n,).
    targets
        Target distribution of each training text, float array (n, labels), one-hot for hard labels. A row's sum is the
        text's weight; all label sources here give 1.
    seed
        Sets the initialisation of the head, the order of the data and dropout.

    Returns
    -------
    np.ndarray
        float32 (test texts, labels), rows sum to 1. The same on every call with the same arguments, software and kind
        of processor; one thread is used, so the number of cores does not matter.
    """
    kind = import_module(f"helpers.students.{student.kind}")
    return kind.train(student, corpus, rows, targets, seed=seed)
