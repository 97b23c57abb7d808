# ---
# jupyter:
#   jupytext:
#     text_representation:
#       extension: .py
#       format_name: percent
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # What LLM labels cost a small classifier
#
# People have a large language model label their texts, train a small classifier on the labels, and use the
# small one. Lu & Smith (2025) warned what that costs: students that are [less accurate](degradation.ipynb),
# [less stable](instability.ipynb) and [soon stop improving](plateau.ipynb), in ways that
# [filtering](filtering.ipynb) and [ensembling](ensembling.ipynb) mend only in part, because [errors
# propagate](propagation.ipynb). This book puts each of these claims to the test with corpora, models and code
# that anyone can have, and prints what comes out.

# %% tags=["parameters"]
study = "studies/default.yml"
corpus = "all"
annotators = "all"
seed = 0

# %%
from helpers import charts, findings, studies

finding = findings.overview(studies.load(study), corpus=corpus, annotators=annotators, seed=seed)
charts.verdict(finding)

# %%
charts.show(finding)

# %% [markdown]
# Every mark is one annotator on one corpus; marks grow in the order of the study, which should be from the weakest
# annotator to the strongest. *Reproduced* means that the 95 % interval of the effect lies in the paper's direction,
# *reversed* that it lies in the other, *not shown* that the data cannot tell. For error propagation the question is
# whether the cross term is small: whether its interval lies within a margin, or outside. The rules were [written
# down](../measures.md) before the runs.
#
# Each interval is at 95 % for itself. Of many cells without any effect, one in forty would be *reproduced* by chance
# alone, and one in forty *reversed* (but for error propagation): a verdict that falls in a cell or two says little.
#
# In brackets stand the effects: the accuracy that is lost against gold; the alpha (how far students of different seeds
# agree) that is lost; what a doubling gains of gold labels minus what it gains of the annotator's; the accuracy that
# the filter, and the vote, add; the accuracy with random errors minus that with the annotator's own; and the cross
# term as a share of the whole divergence. Above zero is the paper's direction, but for the last. The
# [glossary](../glossary.md) has all terms. Filters and votes are tried at the number of labels that their pages state,
# the others at the largest.

# %%
charts.table(finding)

# %% [markdown]
# ## Paper beside companion
#
# The paper's figures that could be confirmed, and what this study gives for the same measure. Beside the
# paper's stronger and weaker annotator stand the last and the first of this study. For filtering and ensembling
# it is the median over the annotators whose gap to gold is clear, and in brackets how many of them these are; below
# zero, the gap has grown. The last annotator need not be the most accurate on every corpus.

# %%
charts.table(finding, "paper")

# %% [markdown]
# ## What it is computed from
#
# The corpora of this study, and how its students are trained; [corpora and models](../materials.md) has where they
# come from. How often one person gives the gold label, which is what most of them say, is a mark for what accuracy can
# mean.

# %%
charts.table(finding, "materials")

# %% [markdown]
# ## Where to go
#
# - **What is lost:** [degradation](degradation.ipynb), [instability](instability.ipynb), [premature
#   plateau](plateau.ipynb), and the loss with [a larger encoder](encoders.ipynb)
# - **What helps:** [filtering](filtering.ipynb), [ensembling](ensembling.ipynb)
# - **Why:** [random errors](controls.ipynb) beside an annotator's own, [error propagation](propagation.ipynb),
#   [texts that tell](telling.ipynb)
# - **What to do:** [train on such labels or not](decision.ipynb), [how to count with them](prevalence.ipynb),
#   [what labels show by themselves](unaided.ipynb), and [texts that give orders](injection.ipynb)
# - **Background:** [the paper](../paper.md), [corpora and models](../materials.md), [how things are
#   measured](../measures.md), [the words](../glossary.md)
# - **Your turn:** [run it on your own data](../rerun.md)

# %% [markdown]
# ## What would change our mind
#
# A verdict speaks of its cell: these texts, this annotator, this student. The shipped annotators are small,
# and the shipped texts are short and about sentiment. Each page says what could turn its own.

# %% [markdown]
# ## What to try next
#
# Add an annotator or a corpus that you know to a study. The more cells, the better this table separates a
# regularity from chance.

# %% [markdown]
# ## Run it on your own data
#
# Name a study of your own and, if you like, one of its corpora:
#
# ```bash
# jupytext --to ipynb -o - notebooks/overview.py \
#   | papermill - out.ipynb -p study studies/quick.yml -p corpus tweets
# ```
#
# The study's runs must be in the ledger: `label-risk run studies/quick.yml` trains those that are missing.
# [Your turn](../rerun.md) has the way from a table of texts to this page.

# %%
charts.provenance(finding)
