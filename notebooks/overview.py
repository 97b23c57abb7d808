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
# small one. Lu & Smith (2025) warned of the cost: students are [less accurate](degradation.ipynb) and [less
# stable](instability.ipynb), and [soon stop improving](plateau.ipynb), which [filtering](filtering.ipynb) and
# [ensembling](ensembling.ipynb) mend only in part, because [errors propagate](propagation.ipynb). This book puts each
# of these claims to the test with corpora, models and code that anyone can have, and prints what comes out.

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
# whether the term that the paper's sum leaves out (the *cross term*) is small; there *reversed* means that it is
# clearly large. The rules were [written down](../measures.md) before the runs; how the study grew since is there, too.
#
# Each interval is a 95 % interval on its own; none is widened because there are many. Of many cells without any effect,
# one in forty would be *reproduced* by chance alone, and one in forty *reversed* (but for error propagation): a verdict
# that falls in a cell or two says little.
#
# In brackets stand the effects: the accuracy that is lost against gold; the alpha (how far students of different seeds
# agree) that is lost; what doubling gold labels gains minus what doubling the annotator's gains; the accuracy that the
# filter, and the vote, add; the accuracy with random errors minus that with the annotator's own; and the cross term as
# a share of the whole divergence (how far the student's probabilities are from people's votes). Above zero is the
# paper's direction, but for the last. The
# [glossary](../glossary.md) has all terms. Filters and votes are tried at the number of labels that their pages state,
# the others at the largest.

# %%
charts.table(finding)

# %% [markdown]
# ## Where to go
#
# - **What to do:** [From noise to decisions](decision.ipynb), whether to train on such labels; [When a share is all you
#   want](prevalence.ipynb); [Without gold](unaided.ipynb); [Texts that give orders](injection.ipynb)
# - **What is lost:** [Degradation](degradation.ipynb), [Instability](instability.ipynb), [Premature
#   plateau](plateau.ipynb), and the loss with [A larger encoder](encoders.ipynb)
# - **What helps:** [Filtering](filtering.ipynb), [Ensembling](ensembling.ipynb), and more [remedies](remedies.ipynb)
#   side by side
# - **Why:** [Random errors](controls.ipynb) beside an annotator's own, [Error propagation](propagation.ipynb),
#   [Texts that tell](telling.ipynb)
# - **Background:** [What the paper says](../paper.md), [Materials](../materials.md), [Measures](../measures.md),
#   [Glossary](../glossary.md)
# - **Your turn:** [Run it yourself](../rerun.md), [Teaching with this book](../teaching.md)

# %% [markdown]
# ## Paper beside companion
#
# The paper's figures that could be confirmed, and what this study gives for the same measure. Beside the
# paper's stronger and weaker annotator stand those that are right most and least often on the gold labels of the
# corpus's training pool, whatever their order in the study. For filtering and ensembling the table has the median over
# annotators with a clear gap to gold, and their number in brackets; below zero, the gap has grown. A vote of students
# stands there twice: beside one gold student, and less what gold students gain by voting as well, so that both sides
# have as many trainings. The paper's figure is the same for both, as how it was computed could not be confirmed.

# %%
charts.table(finding, "paper")

# %% [markdown]
# ## What it is computed from
#
# The corpora of this study, and how its students are trained; [Materials](../materials.md) says where they come from.
# How often one person gives the gold label, which is theirs taken together, is a yardstick for accuracy.

# %%
charts.table(finding, "materials")

# %%
charts.table(finding, "asked")

# %% [markdown]
# ## What would change our mind
#
# A verdict speaks of its cell: these texts, this annotator, this student. The shipped annotators are small,
# and the shipped texts are short and about sentiment. Each page says what could overturn its verdicts.

# %% [markdown]
# ## What to try next
#
# Add an annotator or a corpus that you know to a study. The more cells, the better this table tells a regularity from
# chance.

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
