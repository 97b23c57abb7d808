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
# # Without gold
#
# **The question.** You have an LLM's labels and not one gold label. What can you know?
#
# **The test.** Four signs need no gold: how far the annotator agrees with other annotators, how far its students agree
# among themselves when only the seed differs, how certain it is (one minus the entropy, as a share of its maximum), and
# how much probability it puts on the labels at all. There is a *warning* where one of the two agreements, as
# Krippendorff's alpha, lies below `threshold`, where all labels are of one class, or where most texts have none. The
# absence of a warning proves nothing, for annotators that share their mistakes agree; and a strong annotator among weak
# ones is warned about as well.
#
# **What no sign can tell.** How often the labels are right, which classes they confuse, how frequent a class is, and
# what a student loses. That takes gold labels: a few hundred, drawn at random, go a long way
# ([what they tell](decision.ipynb), [and about shares](prevalence.ipynb)).

# %% tags=["parameters"]
study = "studies/default.yml"
corpus = "all"
annotators = "all"
seed = 0
threshold = 0.667

# %%
from helpers import charts, findings, studies

finding = findings.unaided(studies.load(study), corpus=corpus, annotators=annotators, seed=seed, threshold=threshold)
charts.verdict(finding)

# %%
charts.show(finding)

# %% [markdown]
# Each row is an annotator, grouped by corpus, and each mark a sign. Where gold is known, as it is in the shipped
# corpora, the pale bar is the annotator's accuracy: what the signs would have to tell and do not know. They are on
# scales of their own, so what counts is not how far a mark lies from the end of the bar, but whether the two rise and
# fall together from row to row.

# %%
charts.table(finding)

# %% [markdown]
# ## What would change our mind
#
# - *A sign can be right on average and wrong about your labels.* Correlations with accuracy, which take four cells or
#   more, are over the cells of one study, without an interval, and cells of one corpus or one annotator are alike.
# - *A threshold that is a custom.* It is the one below which Krippendorff draws no conclusions. Where all cells are
#   warned about, or none, the rule has told nothing apart.
# - *Annotators of one family* were trained on much the same texts and share their mistakes. Agreement with a model
#   of another kind says more.
# - *Alpha depends on how frequent the classes are.* Where one class is rare, a low alpha can go with few mistakes.

# %% [markdown]
# ## What to try next
#
# Draw a few hundred texts at random, label them yourself, put the labels into a column of the table, and have the study
# written anew, with the classes in the same order, so that the LLM's labels stay:
#
# ```bash
# label-risk new tickets.csv --text message --label queue \
#   --classes billing,delivery,other --unlabelled keep \
#   --annotator gguf:models/mine.gguf --force
# ```
#
# The pages on decisions and on shares then have something to go by.

# %% [markdown]
# ## Run it on your own data
#
# Name a study of your own and, if you like, one of its corpora:
#
# ```bash
# jupytext --to ipynb -o - notebooks/unaided.py \
#   | papermill - out.ipynb -p study studies/quick.yml -p corpus tweets
# ```
#
# The study's runs must be in the ledger: `label-risk run studies/quick.yml` trains those that are missing.
# [Your turn](../rerun.md) has the way from a table of texts to this page.

# %%
charts.provenance(finding)
