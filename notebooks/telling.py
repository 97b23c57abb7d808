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
# # Texts that tell
#
# **The question.** An average says that labels are worse; a text says why. Which texts does a student get wrong
# because its annotator did?
#
# **The test.** On the test texts that an annotator gets wrong, its students either make the very same mistake or not,
# and so do gold students, who never heard of the annotator. An annotator's mistakes are *repeated* where the 95 %
# interval of its students' share minus the gold students' lies above zero.

# %% tags=["parameters"]
study = "studies/default.yml"
corpus = "all"
annotators = "all"
seed = 0
count = 3

# %%
from helpers import charts, findings, studies

finding = findings.telling(studies.load(study), corpus=corpus, annotators=annotators, seed=seed, count=count)
charts.verdict(finding)

# %%
charts.show(finding)

# %% [markdown]
# The solid curve is an annotator's own students, the dashed one the gold students. On the right are mistakes that all
# students make, on the left those that none makes. Where the solid curve lies above the dashed one on the right,
# mistakes are handed down.
#
# The table has the mistakes that were handed down most clearly: most students of the annotator repeat them, and
# fewest gold students do. Invisible characters are written out. How often all mistakes of an annotator are repeated is
# under [degradation](degradation.ipynb).

# %%
charts.table(finding)

# %% [markdown]
# Whether texts are shown is the choice of the study (`texts` in its file; without it none is) and of whoever builds
# the book (`label-risk book --no-texts`). Where none is, the table has ids, which lead back to the corpus.

# %% [markdown]
# ## What would change our mind
#
# - *A text can be hard for everybody.* Read the column of the gold students beside that of the annotator's.
# - *Gold is what people said most often*, and some of these texts will make you side with the annotator. These are not
#   mistakes handed down, but another opinion.
# - *These are the clearest cases*, chosen for being so, and no sample. The chart counts all mistakes.

# %% [markdown]
# ## What to try next
#
# Raise `count` and look for what the texts of one annotator have in common: irony, negation, mixed praise. A rule
# that you find is a reason to label such texts by hand ([the decision](decision.ipynb)).

# %% [markdown]
# ## Run it on your own data
#
# Name a study of your own and, if you like, one of its corpora:
#
# ```bash
# jupytext --to ipynb -o - notebooks/telling.py \
#   | papermill - out.ipynb -p study studies/quick.yml -p corpus tweets -p count 5
# ```
#
# The study's runs must be in the ledger: `label-risk run studies/quick.yml` trains those that are missing.
# [Your turn](../rerun.md) has the way from a table of texts to this page.

# %%
charts.provenance(finding)
