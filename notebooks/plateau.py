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
# # Premature plateau
#
# **The claim.** The learning curve of an LLM's labels flattens earlier, and lower, than that of gold labels
# [(the paper)](../paper.md). Labels are cheap, but there comes a point where more of them buy nothing.
#
# **The test.** Training sets are nested: the smaller ones are the beginning of the larger ones, the same
# texts for every label source. The gain per doubling is the slope of accuracy on the logarithm of the number
# of labels over the three largest sizes. The effect is the gain of gold labels minus that of the annotator's
# labels. It is *reproduced* where the 95 % interval lies above zero, *reversed* where it lies below, and *not
# shown* otherwise.

# %% tags=["parameters"]
study = "studies/default.yml"
corpus = "all"
annotators = "all"
seed = 0
threshold = 0.01

# %%
from helpers import charts, findings, studies

finding = findings.plateau(studies.load(study), corpus=corpus, annotators=annotators, seed=seed, threshold=threshold)
charts.verdict(finding)

# %%
charts.show(finding)

# %% [markdown]
# Bands are 95 % intervals over seeds and test texts. A dashed line is the accuracy of the annotator itself: students
# above it have averaged some of their teacher's noise away.
#
# *Worth* is the number of gold labels that give the accuracy of all the annotator's labels. Below the smallest size, or
# above the largest, it is only a bound, and is written as one. A curve *first pauses* at the first size after which a
# doubling of the labels gains less than the parameter `threshold`, even if it rises again later; what *by*, *not by*
# and *not identified* mean is under [Measures](../measures.md). The level at which a curve would end is printed only
# where the data can tell it; otherwise the table says why not.

# %%
charts.table(finding)

# %% [markdown]
# ## What each doubling gains

# %%
charts.table(finding, "gains")

# %% [markdown]
# ## Beside random errors
#
# Does a curve flatten because its labels are wrong *in those places*, or because so many are wrong? The same curves
# beside those of gold with as many errors at random; [random errors](controls.ipynb) says how they are made, and more.

# %%
charts.show(finding, "random errors")

# %%
charts.table(finding, "random errors")

# %% [markdown]
# ## What would change our mind
#
# - *A flat end is not a plateau.* Over three sizes, a curve that has paused and one that has ended look the
#   same. A cell with a curve that rises again at the next doubling would undo the verdict.
# - *A ceiling looks like a plateau, too.* Where gold students are near the best that the encoder can do,
#   gold's gain is small, and can hardly exceed the annotator's.
# - *The number of training steps is the same for all small sets*, the student's `min_steps`, and grows with the
#   labels only beyond that ([from how many labels on](overview.ipynb)). Where it grows, a doubling changes two things
#   at once.

# %% [markdown]
# ## What to try next
#
# Add a larger size to `sizes` in a study and run it: only the new students are trained. If the curve has flattened,
# more labels of this kind buy little: see whether [a filter](filtering.ipynb) helps, or [gold labels](decision.ipynb)
# are worth more.

# %% [markdown]
# ## Run it on your own data
#
# Name a study of your own and, if you like, one of its corpora:
#
# ```bash
# jupytext --to ipynb -o - notebooks/plateau.py \
#   | papermill - out.ipynb -p study studies/quick.yml -p corpus tweets
# ```
#
# The study's runs must be in the ledger: `label-risk run studies/quick.yml` trains those that are missing.
# [Your turn](../rerun.md) has the way from a table of texts to this page.

# %%
charts.provenance(finding)
