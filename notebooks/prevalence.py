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
# # When a share is all you want
#
# **The question.** Many studies label texts to say how frequent something is: how many reviews are negative, how
# many posts take a stance. Can one count an LLM's labels? And if not, are they of any use beside a few gold
# labels?
#
# **The test.** For every class, three answers. The first counts the LLM's labels. The second uses `k` gold labels,
# drawn at random from those to train on, alone. The third is [prediction-powered inference](../measures.md): it
# starts from what the LLM says of all texts and corrects it by what it gets wrong on the `k`. Its 95 % interval
# holds the share about as often as it says, however wrong the LLM is, and is narrow where the LLM is good.
# *Counting misleads* where the counted share lies outside that interval; inside it, *no bias is shown*.

# %% tags=["parameters"]
study = "studies/default.yml"
corpus = "all"
annotators = "all"
seed = 0
k = 300

# %%
from helpers import charts, findings, studies

finding = findings.prevalence(studies.load(study), corpus=corpus, annotators=annotators, seed=seed, k=k)
charts.verdict(finding)

# %%
charts.show(finding)

# %% [markdown]
# A triangle is a counted share, a circle an estimate with its interval. Where every text of the corpus has a gold
# label, the upright line is the share that they show; nobody who has only `k` of them can see it. The circles
# should lie around the line and their bars should cross it, which is what the triangles cannot promise.
#
# In the table, *as good as so many gold labels* says how many gold labels alone would give as narrow an interval.
# Where that is hardly more than `k`, the LLM's labels add nothing to a share, and the gold labels do the work; where
# it is less, they widen the interval. With two classes, each row has its mirror image, and one of the two is counted
# above. All cells of a corpus are judged by the same gold labels.

# %%
charts.table(finding)

# %% [markdown]
# ## What more gold would buy
#
# How wide the intervals are, averaged over the classes of a corpus, with fewer gold labels than `k` and with more.
# Each point is a mean over several samples from the gold labels of the training pool; a diamond asks for more labels
# than the pool has, so these are drawn with replacement. Widths fall with the square root of the number: four times
# the gold labels halve them. Where a line lies below that of gold alone, the annotator's labels help.

# %%
charts.show(finding, "more gold")

# %%
charts.table(finding, "more gold")

# %% [markdown]
# ## What would change our mind
#
# - *The gold labels must be a random sample* of the texts. Labels of the texts that came first, or that were easy,
#   break the promise of the interval, and no page can notice it. So does a split of your own that is not random,
#   such as by year: the labels come from one side of it, the share is that of both.
# - *The interval is about chance, not about gold.* Where people disagree on what a class is, the share of it is no
#   more certain than they are.
# - *A share in another population*, next month or another site, needs gold labels from there.

# %% [markdown]
# ## What to try next
#
# Set `k` to what you could label, and see how wide the intervals become. If you need a label for each text and not a
# share, go back to [the decision](decision.ipynb).

# %% [markdown]
# ## Run it on your own data
#
# Name a study of your own and, if you like, one of its corpora:
#
# ```bash
# jupytext --to ipynb -o - notebooks/prevalence.py \
#   | papermill - out.ipynb -p study studies/quick.yml -p corpus tweets -p k 100
# ```
#
# The study's runs must be in the ledger: `label-risk run studies/quick.yml` trains those that are missing.
# [Your turn](../rerun.md) has the way from a table of texts to this page.

# %%
charts.provenance(finding)
