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
# # Degradation
#
# **The claim.** A small encoder that is fine-tuned on an LLM's labels is less accurate than the same encoder
# fine-tuned on gold labels, and the loss grows as the task gets harder or less balanced [(the
# paper)](../paper.md).
#
# **The test.** For every corpus and annotator, students are trained on the same texts with the same seeds,
# once with gold labels and once with the annotator's. The effect is the accuracy of the gold students minus
# that of the annotator's students at the largest number of labels, on test texts that no student has seen. It
# is *reproduced* where the 95 % interval over seeds and test texts lies above zero, *reversed* where it lies
# below, and *not shown* otherwise. That the loss grows with the task is not judged; how often people agree and how
# balanced the classes are is on the [start page](overview.ipynb).

# %% tags=["parameters"]
study = "studies/default.yml"
corpus = "all"
annotators = "all"
seed = 0

# %%
from helpers import charts, findings, studies

finding = findings.degradation(studies.load(study), corpus=corpus, annotators=annotators, seed=seed)
charts.verdict(finding)

# %%
charts.show(finding)

# %% [markdown]
# Each row is an annotator, grouped by corpus. The upright line is the mean of the gold students. The pale bar is
# the 95 % interval of the students' distance to gold: where it does not reach the line, the loss is clear. Small ticks
# are single seeds. The diamond is the annotator's own accuracy on the test texts that it labelled: a student to the
# right of it repairs more mistakes than it adds, a student to the left adds more than it repairs.

# %%
charts.table(finding)

# %% [markdown]
# ## Which class is lost
#
# The gap can be spread over all texts, or be one class that the annotator hardly gives. Here it is taken apart by the
# gold class of the test texts: the parts of all classes add up to the gap. A student that never gives a class loses all
# of its texts and cannot take one of another class for it, so the parts of the other classes may lie below zero. Where
# one class is nearly all of the gap, the annotator leans away from that class more than it errs at random, and a
# [correction](remedies.ipynb) may help more than a filter.

# %%
charts.table(finding, "by class")

# %% [markdown]
# ## Inherited mistakes
#
# Do students *repeat* mistakes? On the test texts that the annotator gets wrong, the next table gives the
# share where the annotator's students, and where the gold students, make that very mistake. Hard texts
# attract the same mistake from everyone, so it is the difference between the two that counts. An annotator
# that leans towards a class teaches its student to lean as well: *to be expected by class* is the share that
# such a student would repeat if it knew no more of the annotator's mistakes than the gold class of the text.
# What is beyond that depends on the text: it was learnt from the annotator, or the text misleads every student,
# which the gold students would show.

# %%
charts.table(finding, "inheritance")

# %% [markdown]
# The same by gold class, and by how sure the annotator was: its test texts in four parts by the entropy of
# what it says. Groups with very few mistakes get no interval.

# %%
charts.table(finding, "inheritance by group")

# %% [markdown]
# ## What would change our mind
#
# - *Gold is not truth.* In the shipped corpora it is what raters said most often, or on average. Where they
#   split, losing accuracy against it need not be a loss: [error propagation](propagation.ipynb) compares with the
#   whole distribution of votes instead.
# - *One learning rate.* It was chosen for gold students of few labels. One chosen for an annotator's students might
#   lose less; that was not tried.
# - *What models have read.* The shipped corpora have been public since `2014`. Whether an annotator or an encoder saw
#   their texts or labels before cannot be told.
# - *One encoder.* A larger student may resist noise better, or learn it better: [a larger
#   encoder](encoders.ipynb) has students of the size of the paper's, on fewer corpora.
# - *The shipped annotators are small.* A cell where the annotator is about as accurate as [one of the
#   raters](overview.ipynb) would be the fairest test of the claim, and the likeliest to reverse it.

# %% [markdown]
# ## What to try next
#
# Switch the chart to the recall of one class: an average can hide a class that the annotator never gives.
# Then look at [the plateau](plateau.ipynb): is the gap a matter of too few labels, or one that more labels do
# not close?

# %% [markdown]
# ## Run it on your own data
#
# Name a study of your own and, if you like, one of its corpora:
#
# ```bash
# jupytext --to ipynb -o - notebooks/degradation.py \
#   | papermill - out.ipynb -p study studies/quick.yml -p corpus tweets
# ```
#
# The study's runs must be in the ledger: `label-risk run studies/quick.yml` trains those that are missing.
# [Your turn](../rerun.md) has the way from a table of texts to this page.

# %%
charts.provenance(finding)
