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
# # A larger encoder
#
# **The question.** The paper's students are RoBERTa-base. The students of this book are several times smaller, so
# that hundreds of them can be trained on a laptop. Do findings about a small encoder hold for one of the paper's
# size? It might resist wrong labels better, because it knows more, or learn them better, because it has more room.
#
# **The test.** On some corpora, students of a larger encoder are trained on the same texts and labels. There is a
# *loss* where the accuracy of the larger encoder's gold students minus that of its students of the annotator's labels
# has a 95 % interval above zero. Beside it stands the loss of this study's own encoder, at the same number of labels,
# and the difference of the two.

# %% tags=["parameters"]
study = "studies/default.yml"
corpus = "all"
annotators = "all"
seed = 0
other = "studies/base.yml"

# %%
from helpers import charts, findings, studies

finding = findings.encoders(studies.load(study), corpus=corpus, annotators=annotators, seed=seed, other=other)
charts.verdict(finding)

# %%
charts.show(finding)

# %% [markdown]
# Each row is an annotator, grouped by corpus; circles are the encoder of this study, diamonds the other one. Bars
# are 95 % intervals, broad and pale for circles and narrow for diamonds. To the right of the upright line, the
# annotator's labels cost accuracy. A diamond to the right of its circle: the other encoder loses more. Bars that
# overlap do not make the two equal.

# %%
charts.table(finding)

# %% [markdown]
# The gold students show what the larger encoder is worth by itself. Where its students of the annotator's labels are
# better than the small encoder's by about as much, the larger one neither mends the labels' errors nor learns more of
# them. Alpha shows whether that goes for [stability](instability.ipynb) as well; it is blank where all predictions are
# one class.

# %% [markdown]
# ## What would change our mind
#
# - *The larger encoder's learning rate is the usual one* for its size and was not chosen on these corpora. Another may
#   suit wrong labels better or worse.
# - *Few corpora, one number of labels, few seeds:* a larger encoder is costly to train. What holds in the middle of a
#   learning curve need not hold at its end.

# %% [markdown]
# ## What to try next
#
# Copy `studies/base.yml`, name an encoder that you would use, and let `label-risk run` train it. On a GPU the whole
# default study may be affordable: copy `studies/default.yml` instead, and ask `label-risk status` what it would take.

# %% [markdown]
# ## Run it on your own data
#
# Copy your study, change `encoder` in the copy and, if need be, `learning_rate`, train it, and name it as `other`. A
# study of shipped corpora that cannot stand beside `other` shows the two that come with the project:
#
# ```bash
# jupytext --to ipynb -o - notebooks/encoders.py \
#   | papermill - out.ipynb -p study studies/quick.yml -p corpus tweets
# ```
#
# [Your turn](../rerun.md) has the way from a table of texts to a study.

# %%
charts.provenance(finding)
