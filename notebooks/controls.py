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
# # Random errors
#
# **The claim.** What an LLM gets wrong costs its student more than the same number of mistakes at random
# places would: its errors depend on the text, so the student learns them, while random ones average out as
# labels are added. It is how the paper explains that filtering and ensembling help only in part [(the paper,
# its conclusion)](../paper.md).
#
# **The test.** Beside the students of an annotator stand students of gold labels with errors put in at random, on
# the same texts and with the same seeds. *Shuffled within class*: the annotator's labels, dealt out anew among the
# texts of each gold class, so that every confusion happens exactly as often, only elsewhere. *By its confusions*:
# each label drawn from what the annotator says of texts of that class. *Uniform*: as many labels flipped, whatever
# the class. The effect is the accuracy with errors shuffled within class minus that with the annotator's own, at
# the largest number of labels. It is *reproduced* where the 95 % interval lies above zero, *reversed* where it lies
# below, and *not shown* otherwise. The other two kinds stand beside it. A study that lacks the first kind is judged
# by the second, or else by the third.

# %% tags=["parameters"]
study = "studies/default.yml"
corpus = "all"
annotators = "all"
seed = 0

# %%
from helpers import charts, findings, studies

finding = findings.controls(studies.load(study), corpus=corpus, annotators=annotators, seed=seed)
charts.verdict(finding)

# %%
charts.show(finding)

# %% [markdown]
# Learning curves of one annotator on one corpus; the menus have the others. Bands are 95 % intervals over
# seeds and test texts. Where the annotator's own curve lies above a dashed one, its errors do less harm than
# random ones. One explanation: they sit on texts that are hard anyway, and leave those from which a student learns
# the task. Where it lies below, they do more: more labels may only repeat them. Random errors that keep the
# annotator's confusions average out in classes most of whose labels are right. In a class most of whose labels are
# wrong they leave next to nothing to learn, and say little about real ones.

# %%
charts.table(finding, "by corpus")

# %% [markdown]
# Which errors cost more is counted where the 95 % interval of the difference does not contain zero. Where the two
# curves cross is read from the difference between them, which is supposed to fall with the number of labels, so
# that a crossing can be identified although the ends are not clear. It is *not identified* where the interval
# reaches past the sizes of the study, and *nowhere* where the whole interval lies outside them.
#
# If the annotator's own errors and the shuffled ones cost the same, it is the confusions that matter and not the
# texts; if uniform errors cost less than both, it is that confusions gather on one wrong class, which may then be the
# most frequent label where another is right.

# %%
charts.table(finding)

# %% [markdown]
# ## What would change our mind
#
# - *More labels.* A crossing beyond the largest size looks like its absence. Only a longer curve can tell.
# - *Training that gets longer.* Beyond a least number of steps, more labels are trained on for longer, and the last
#   doublings change both.
# - *Another draw of the random errors.* With few labels, which of them are wrong can matter more than how many. When
#   labels are added, errors by confusions and uniform ones all but stay, and shuffled ones are dealt anew.

# %% [markdown]
# ## What to try next
#
# Compare with [the plateau](plateau.ipynb): an annotator whose errors cost more than random ones at the end
# should flatten earlier. [Error propagation](propagation.ipynb) asks of single texts what this page asks of
# curves.

# %% [markdown]
# ## Run it on your own data
#
# Give your study a part `controls`, name it here and, if you like, one of its corpora:
#
# ```bash
# jupytext --to ipynb -o - notebooks/controls.py \
#   | papermill - out.ipynb -p study studies/quick.yml -p corpus tweets
# ```
#
# The study's runs must be in the ledger: `label-risk run studies/quick.yml` trains those that are missing.
# [Your turn](../rerun.md) has the way from a table of texts to this page.

# %%
charts.provenance(finding)
