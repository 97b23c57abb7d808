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
# # Error propagation
#
# **The claim.** The paper explains its findings by a decomposition [(the lens)](../paper.md). With $P$ what
# people say of a text, $P_S$ what the annotator says and $\hat P$ what the student says,
#
# $$
# \mathbb{E}\,\mathrm{KL}(P \,\|\, \hat P) \;\approx\;
# \underbrace{\mathrm{KL}(P \,\|\, P_S)}_{\text{approximation}} \;+\;
# \underbrace{\mathbb{E}\,\mathrm{KL}(P_S \,\|\, \hat P)}_{\text{estimation}}
# $$
#
# The divergence $\mathrm{KL}(P \,\|\, Q) = \sum_k P_k \log (P_k / Q_k)$ says how far $Q$ is from $P$: nothing where
# they are equal, and a lot where $Q$ is sure of what $P$ finds unlikely.
#
# $\mathbb{E}$ is the mean over students, here over those of all seeds. By the paper's reading, more labels shrink the
# second term and leave the first one as it is.
#
# **The test.** The exact identity has a third term, the *cross term* $\sum (P - P_S) \log (P_S / \hat P)$,
# which the $\approx$ leaves out. The effect is the cross term as a share of the student's whole divergence.
# The sum is a good account of the error where that share is small: *reproduced* where its whole 95 % interval
# lies within a margin of zero, *reversed* where it lies wholly outside, and *not shown* otherwise. The margin is set in
# `notebooks/findings.yml` and named below.

# %% tags=["parameters"]
study = "studies/default.yml"
corpus = "all"
annotators = "all"
seed = 0

# %%
from helpers import charts, findings, studies

finding = findings.propagation(studies.load(study), corpus=corpus, annotators=annotators, seed=seed)
charts.verdict(finding)

# %%
charts.show(finding)

# %% [markdown]
# Where the diamond, the student's whole divergence from people, sits on the end of the stacked bar, the sum holds. Left
# of the end, the cross term is negative: the student is closer to people than the sum says, as it would be if it did
# not follow the annotator all the way where that strays from people. Right of the end it is positive: the student goes
# farther than the annotator's *probabilities* where these stray from people. That may be the rounding of probabilities
# to labels, which is all that a student sees: the table *Smoothing and floor* has the term against the labels that
# students were given. The tick named *people* is a human ceiling, the divergence between two halves of the people: as
# close as people come to people. Halves have half of the votes, so a student can come closer without knowing more.
#
# $P$ are the votes of the raters, smoothed. $P_S$ are the annotator's probabilities, while the students were trained
# on its most probable labels; so a part of what is called estimation here is the rounding of probabilities to
# labels. Divergences weigh a certain mistake heavily and depend on the floor below the probabilities; the squared
# distance of the Brier score, in the menu and in the last columns, splits in the same way and needs no floor.

# %%
charts.table(finding)

# %% [markdown]
# ## More labels
#
# The terms at every number of labels. The paper reads the sum as: more labels shrink estimation and leave
# approximation as it is. The verdict of each row is that of the claim, by its margin.

# %%
charts.table(finding, "by size")

# %% [markdown]
# ## Few votes
#
# $P$ is estimated from few votes a text, which adds as much to every divergence from it, and nothing to the cross
# term. Half of the votes add about twice as much, so that splitting the raters into halves shows how much it is. $P$
# are the plain shares of the votes in this table, for smoothing would hide from the split what it is to find.

# %%
charts.table(finding, "few votes")

# %% [markdown]
# ## Smoothing and floor
#
# The share of the cross term, with more or less of a vote added to each class, with other floors under the
# probabilities of annotator and student, and for the Brier score, which needs no floor: of the annotator's
# probabilities, and of the labels that its students were given, each certain.

# %%
charts.table(finding, "settings")

# %% [markdown]
# ## A toy world: move the errors
#
# Here the mean of every term over all training sets that could be drawn is known exactly. Texts are of several kinds;
# on half of the kinds nearly all people are of one mind, on the others most are. A label is what one person says of a
# text, so that some labels are not what most people say before any is turned. The annotator turns a share of them into
# the other class: evenly, or gathered on few kinds. A student sees some labels of each kind and goes by their
# frequency, smoothed. The numbers of this world are below the first chart. Move the sliders: at the same rate of
# errors, do more labels help?

# %%
charts.show(finding, "toy accuracy")

# %%
charts.table(finding, "toy accuracy")

# %% [markdown]
# Where errors fall evenly, the student outvotes its teacher: with enough labels it is right where the annotator is
# right more often than not. Where they gather, more labels help on the other kinds only: on those whose labels are
# mostly turned, the wrong label is what there is to learn. Whether the errors of real annotators act like this is
# the question of [random errors](controls.ipynb).

# %%
charts.show(finding, "toy terms")

# %%
charts.table(finding, "toy terms")

# %% [markdown]
# More labels shrink estimation, and what remains is approximation: all of the student's divergence, in the end,
# is that of its annotator. The line is the whole divergence; where it leaves the top of the areas, the $\approx$ does
# not hold. With few labels a student is too unsure to follow its teacher all the way: on kinds whose labels are
# mostly turned, that keeps it closer to people, and more labels take it away from them. In the whole this shows where
# all errors gather, or most do and they are many.

# %% [markdown]
# ## What would change our mind
#
# - *A corpus with many more raters.* Votes are few, and smoothing pulls $P$ towards the middle.
# - *Students of soft labels*, trained on $P_S$ itself. If the cross term vanished for them, the rounding
#   would be its cause and not the way errors travel.
# - *Training that gets longer.* Small training sets get a least number of steps, large ones more: a student that is
#   trained longer is surer of itself, and that counts as estimation.
# - *Calibrated annotators.* An LLM that is sure and wrong has a large approximation term whatever the student
#   does.

# %% [markdown]
# ## What to try next
#
# Worlds with three classes, and errors that always say the same class, are in `src/helpers/measures/toy.py`
# ([how things are measured](../measures.md)). To see the observed side of propagation, go back to the share of
# inherited mistakes in [degradation](degradation.ipynb).

# %% [markdown]
# ## Run it on your own data
#
# Name a study of your own and, if you like, one of its corpora:
#
# ```bash
# jupytext --to ipynb -o - notebooks/propagation.py \
#   | papermill - out.ipynb -p study studies/quick.yml -p corpus tweets
# ```
#
# The study's runs must be in the ledger: `label-risk run studies/quick.yml` trains those that are missing.
# [Your turn](../rerun.md) has the way from a table of texts to this page.

# %%
charts.provenance(finding)
