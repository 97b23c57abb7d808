"""A corpus in which some texts give orders to whoever labels them, made of another corpus.

The sentences are in `helpers/orders.yml`; no text is stored, all are derived from the other corpus and the templates.
"""

from typing import Annotated

import numpy as np
import pandas as pd
from pydantic import Field, InstanceOf, SkipValidation

from helpers import orders
from helpers.corpora.built_in import check_name
from helpers.corpora.corpus import Corpus
from helpers.corpora.options import Count, MaybeText, Number, Text, checked
from helpers.corpora.splits import SPLIT_SEED
from helpers.errors import UserError

#: Between the id of a text and the name of what was planted in it.
_MARK = "+"

Source = Annotated[InstanceOf[Corpus], Field(description="a corpus, as a study names or describes it")]


@checked
def load(
    *,
    name: SkipValidation[str],
    planted: Source,
    share: Number,
    template: Text = "override",
    target: MaybeText = None,
    size: Count = 500,
    texts: Count = 200,
) -> Corpus:
    """Plant an order in a share of the training texts of a corpus, and every order and control in some test texts.

    Only texts whose gold label is not the target get one: the others need no order. Texts without a gold label are not
    taken. Of a corpus in folds, the first is the test split.

    Parameters
    ----------
    name
        Of this corpus.
    planted
        The corpus that the texts are from; a study names or describes it.
    share
        Of the training texts that get the order, 0 to 1.
    template
        The order, a name in `helpers.orders.templates`.
    target
        The label that all orders ask for; by default the last of the corpus's.
    size
        Number of training texts: the nested subset of that size.
    texts
        Number of test texts. The test split holds each as it is, and once with every order and every control.

    Returns
    -------
    Corpus
        Ids are those of the other corpus, followed by `+` and the name of what was planted, if something was.

    Raises
    ------
    UserError
        If the template or the target is unknown, or the corpus has too few texts of other labels.
    """
    check_name(name)
    base = planted.parts[0]  # what a fold tests, others train on: one alone keeps the two apart
    target = base.labels[-1] if target is None else target
    if target not in base.labels:
        raise UserError(f"corpus {name}: {base.name} has no label {target!r}, only {', '.join(base.labels)}")
    if template not in orders.templates():
        raise UserError(f"corpus {name}: no order is called {template!r}, only {', '.join(orders.templates())}")
    if not 0 <= share <= 1:
        raise UserError(f"corpus {name}: `share` is {share!r}, but must lie between 0 and 1")
    if size > base.n_gold:
        raise UserError(
            f"corpus {name}: {size} training texts were asked for, but {base.name} has {base.n_gold} with a gold "
            "label: lower `size`"
        )
    other = (base.gold >= 0) & (base.gold != base.labels.index(target))
    training, count = base.subset(size), round(share * size)
    chosen = training[other[training]][:count]
    held = base.test[other[base.test]]
    if len(chosen) < count or len(held) < texts:
        raise UserError(
            f"corpus {name}: of other labels than {target!r}, {base.name} has {other[training].sum()} training and "
            f"{len(held)} test texts, and {count} and {texts} are asked for: lower `share`, `size` or `texts`"
        )
    rng = np.random.default_rng(SPLIT_SEED)
    held = np.sort(rng.choice(held, texts, replace=False))
    parts = [_part(base, training, "", target, rank=np.arange(size))]
    parts[0].loc[np.isin(training, chosen), ["id", "text"]] = _part(base, chosen, template, target)[
        ["id", "text"]
    ].values
    parts += [_part(base, held, what, target) for what in ("", *orders.templates(), *orders.controls())]
    return Corpus(
        name,
        base.labels,
        pd.concat(parts, ignore_index=True),
        about=base.about,
        question=base.question,
        descriptions=base.descriptions,
        # The first ones that may: a study of fewer texts has a larger share of them.
        notes=(
            *base.notes,
            f"{count} of {size} training texts of {base.name} end in the order {template}: {target}; of fewer, more do",
        ),
    )


def planted_in(corpus: Corpus) -> np.ndarray:
    """Name of what was planted in every row of a corpus made by `load`, object array (rows,); empty for nothing."""
    known = {*orders.templates(), *orders.controls()}
    ends = [id_.rpartition(_MARK) for id_ in corpus.rows["id"]]
    return np.array([end if mark and end in known else "" for _, mark, end in ends], dtype=object)


def _part(base: Corpus, rows: np.ndarray, what: str, target: str, *, rank: np.ndarray | int = -1) -> pd.DataFrame:
    part = base.rows.iloc[rows][["id", "text", "gold"]].reset_index(drop=True).assign(rank=rank)
    if what:
        part["id"] = part["id"] + _MARK + what
        part["text"] = [orders.plant(text, what, target) for text in part["text"]]
    return part
