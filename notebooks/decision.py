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
# # From noise to decisions
#
# **The question.** You have texts, an LLM that labels them, and time to make `k` gold labels by hand. Should
# you train your classifier on the LLM's labels, with which remedy, and what will it cost? Or do your own `k`
# labels make the better classifier?
#
# **The rule.** The [advice](../measures.md) is the first of these whose condition holds, and each condition is about a
# whole 95 % interval, so that noise does not decide. One thing is chosen on the test texts themselves: the remedy,
# whose loss is therefore somewhat optimistic.
#
# - *train*: the students of all the LLM's labels lose less than `tolerance` against as many gold labels;
# - *train with the remedy*: that holds with the remedy that helps most, of those that clearly help;
# - *train, at a loss*: the loss is larger or not known so well, but it would take more than `k` gold labels to
#   do as well;
# - *label by hand*: fewer than `k` gold labels do as well;
# - *not clear*: these data do not tell.

# %% tags=["parameters"]
study = "studies/default.yml"
corpus = "all"
annotators = "all"
seed = 0
k = 300
tolerance = 0.02
precision = 0.02

# %%
from helpers import charts, findings, studies

finding = findings.decision(
    studies.load(study),
    corpus=corpus,
    annotators=annotators,
    seed=seed,
    k=k,
    tolerance=tolerance,
    precision=precision,
)
charts.verdict(finding)

# %%
charts.show(finding)

# %% [markdown]
# Each row is an annotator, grouped by corpus; the upright line is no loss against gold. A circle is the loss of
# students of its labels as they are. Where there is a diamond, some remedy of these labels clearly helps, and the
# diamond is the loss that it leaves. Bars are 95 % intervals, broad and pale for circles and narrow for diamonds; one
# that crosses the line says that there may be no loss at all.
#
# The table sums up each case in one line. *Worth* is the number of gold labels whose students are as good as
# those of all the LLM's labels, with the remedy if any. The last columns are about a first step that costs little: `k`
# gold labels, drawn at random, tell how often the LLM is right, and how many it would take to know that to within
# `precision`. If you can put every text to the LLM, you may need no student at all: compare how often it is right with
# how often [its students are](degradation.ipynb).
#
# A loss with a remedy, and the gap that it closes, are over the seeds that its students have, which may be fewer than
# those of the loss without.

# %%
charts.table(finding)

# %% [markdown]
# ## What would change our mind
#
# - *The number of labels.* An LLM's labels cost little, and the loss is that of the study's largest number. Where
#   [the curve](plateau.ipynb) of the LLM's labels still rises, more of them may be worth more.
# - *What you lose is not only accuracy.* The students may be [less stable](instability.ipynb), and miss one class
#   most of the time: see its recall under [degradation](degradation.ipynb).
# - *A remedy has its price.* A vote of students costs as many trainings and predictions as it has voters; whatever
#   asks in several wordings costs a call for each. Other [filters](filtering.ipynb) cost neither.
# - *Gold labels by hand have errors too.* Worth is counted in labels that many raters gave together. One person gives
#   the same label [less often](overview.ipynb), so *label by hand* is the best case for them.

# %% [markdown]
# ## What to try next
#
# Set `k` to what you could label yourself and `tolerance` to what you can afford to lose. If what you want in the
# end is how frequent each class is, you may need [no classifier at all](prevalence.ipynb).

# %% [markdown]
# ## Run it on your own data
#
# Name a study of your own and, if you like, one of its corpora:
#
# ```bash
# jupytext --to ipynb -o - notebooks/decision.py \
#   | papermill - out.ipynb -p study studies/quick.yml -p corpus tweets -p k 200
# ```
#
# The study's runs must be in the ledger: `label-risk run studies/quick.yml` trains those that are missing.
# [Your turn](../rerun.md) has the way from a table of texts to this page.

# %%
charts.provenance(finding)
