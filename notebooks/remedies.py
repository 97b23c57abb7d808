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
# # Remedies side by side
#
# **The question.** The paper tries [filters](filtering.ipynb) and [ensembles](ensembling.ipynb). There are other things
# that one can do with labels that one does not trust: soften them, correct them, or put a little gold beside them.
# Which help, on whose labels, and at which price?
#
# **The test.** Each remedy stands beside the students of as many of the annotator's labels as they are. There is a
# *gain* where the accuracy of its students minus theirs has a 95 % interval above zero, and a *loss* where it lies
# below. Of filters, those that keep the share `fraction` are here; [their page](filtering.ipynb) has the other shares.

# %% tags=["parameters"]
study = "studies/default.yml"
corpus = "all"
annotators = "all"
seed = 0
fraction = 0.5

# %%
from helpers import charts, findings, studies

finding = findings.remedies(studies.load(study), corpus=corpus, annotators=annotators, seed=seed, fraction=fraction)
charts.verdict(finding)

# %%
charts.show(finding)

# %% [markdown]
# A circle is an annotator on one corpus, the upright stroke the median of those that are shown; the remedy with the
# largest median over all corpora is on top. To the right of zero its students do better than those of the labels as
# they are.
#
# Not every study tries all of them (`correction` asks for the first two kinds):
#
# - *Corrections without gold.* *Soft labels* teach the annotator's probabilities in the place of its labels. *Label
#   smoothing* takes a tenth of the probability from the label and deals it out to all classes. *Prior correction*
#   divides each class's probability by its mean over the texts, so that an annotator that favours a class loses its
#   favourite; it takes the classes to be about as frequent.
# - *Corrections that spend gold.* *Temperature scaling* softens or sharpens the probabilities until they fit the gold
#   labels; it moves no label to another class. *Matrix scaling* is a logistic regression from the probabilities to
#   gold, and may find classes that the annotator knows and does not name. *Gold added* replaces the annotator's labels
#   of those texts.
# - *Joined labels* are those of all annotators, beside the strongest one alone, or those of one annotator in several
#   wordings.
# - *Instead* has what the same effort could go into: all of the annotator's labels that the study has, or a student of
#   the spent gold labels alone (*gold alone*). Where that does as well as any correction that spends it, the annotator
#   adds nothing.

# %%
charts.table(finding)

# %% [markdown]
# What a remedy costs is in three currencies, and there is no rate of exchange but yours: calls to an LLM, gold labels,
# and trainings. The table is in the order of the median gain. The next one has every corpus and annotator, with
# intervals, and the share of the gap to gold that is closed; it is blank where that gap is not clearly above zero.

# %%
charts.table(finding, "cells")

# %% [markdown]
# ## What would change our mind
#
# - *Many cells are looked at.* Where nothing helps, one in forty is a clear gain by chance; and the remedy on top of a
#   long table is there by luck, too. How many cells are clear says more than which.
# - *One number of labels.* With fewer labels a little gold may be worth more, with more labels less.
# - *The gold labels come first.* They are the first of the training texts, the same for all remedies and seeds: another
#   draw of them may fit a temperature or a regression better or worse, and no interval knows of that.
# - *What is missing.* Losses made for wrong labels, such as generalised cross entropy, two students that choose texts
#   for each other, and losses for several possible labels change the training and not the labels. They are not tried
#   here.

# %% [markdown]
# ## What to try next
#
# Ask how little gold is enough: set `gold` in `correction` of a copy of the study, and train it. Then see what
# [your decision](decision.ipynb) becomes.

# %% [markdown]
# ## Run it on your own data
#
# Name a study of your own and, if you like, one of its corpora:
#
# ```bash
# jupytext --to ipynb -o - notebooks/remedies.py \
#   | papermill - out.ipynb -p study studies/quick.yml -p corpus tweets
# ```
#
# The study's runs must be in the ledger: `label-risk run studies/quick.yml` trains those that are missing.
# [Your turn](../rerun.md) has the way from a table of texts to this page.

# %%
charts.provenance(finding)
