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
# # Filtering
#
# **The claim.** An LLM gives every label with a probability. Keep the labels whose distribution has the
# lowest entropy, drop the rest, and the student gets better; but it does not get as good as gold labels make
# it [(the paper)](../paper.md).
#
# **The test.** The effect is the accuracy of the students of the kept labels minus that of the students of
# *all* labels that were there to filter. The parameter `fraction` says which kept share the verdict is
# about; the table and the chart show every share of the study. It is *reproduced* where the 95 % interval lies above
# zero, *reversed* where it lies below, and *not shown* otherwise. That a gap to gold remains is not judged: the table
# says how much of it is closed.

# %% tags=["parameters"]
study = "studies/default.yml"
corpus = "all"
annotators = "all"
seed = 0
fraction = 0.5

# %%
from helpers import charts, findings, studies

finding = findings.filtering(studies.load(study), corpus=corpus, annotators=annotators, seed=seed, fraction=fraction)
charts.verdict(finding)

# %%
charts.show(finding)

# %% [markdown]
# Dropping labels does two things: those that stay may be right more often, and there are fewer of them. The dashed
# curve shows the second alone, with a random choice of as many texts. What lies between it and the solid one is what
# the filter's choice changes, right labels and the balance of classes together; where the study has several filters, a
# menu has them. The horizontal line is the gold students of all texts.
#
# The verdicts that count are those of lowest entropy at that one share; those in the other rows are given by the same
# rule, for comparison. *Gap to gold closed* (the recovery) is the part of the distance between the students of all
# labels and the gold students that the filter makes good; below zero, the distance has grown. It is blank where that
# distance is not clearly above zero. *Class balance moved by* is the share of labels that would have to change class to
# undo the shift that the filter brings: it prefers the classes that the annotator is sure of, and the column after it
# shows which.

# %%
charts.table(finding)

# %% [markdown]
# ## One filter beside another
#
# Entropy is one score of several, and a study names those that it tries. *Class entropy* takes the same share of
# each predicted class, which leaves the classes their shares. *Margin* is the lead over the second label; with two
# classes it puts the texts in entropy's order. *Prompt agreement* asks in several wordings, and costs an LLM call
# for each. *Confident learning* asks a classifier that has not seen the label: it is that method's ranking of labels
# (the adjusted self-confidence of `cleanlab`) with a fixed share kept, and not its pruning, which estimates from the
# joint distribution of given and true labels how many to drop. The classifier learnt from the same annotator's labels;
# how often it is right itself is said below, and stands in the first table. The *oracle* knows gold and drops wrong
# labels first: where even that gains little, filtering has little to give.

# %%
charts.show(finding, "choices")

# %% [markdown]
# A circle is an annotator on one corpus, the upright stroke the median of all. To the right of zero the students
# of the kept labels do better than what the second menu names: those of as many labels chosen at random, or those
# of all.

# %%
charts.table(finding, "choices")

# %% [markdown]
# ## What would change our mind
#
# - *The entropy of a small LLM may say more about the words of the prompt than about the text.* Where the
#   kept labels are hardly more often right than all, in the table, the filter had nothing to work with; that
#   is a verdict on the entropy, not on filtering.
# - *A filter within each predicted class* keeps the balance. Where *class entropy* does better than lowest
#   entropy, the lost balance is a likely cause of what lowest entropy cost, though other texts are kept as well.
# - *One random choice.* Of each size there is one random subset, the first texts of all. Seeds do not tell what
#   [another subset](instability.ipynb) would change, and a filter that is a little better or worse than this one may
#   not be so beside another.
# - *Many rows are compared.* Where no filter differs from a choice at random, one row in twenty is clear by chance: how
#   many are clear says more than which.
# - *The sign can depend on the share*: too small a share leaves too few labels. One share does not speak for
#   the others.

# %% [markdown]
# ## What to try next
#
# Set `fraction` to another share of the study. A filter of your own is one function in
# `src/helpers/labels/filters.py`. Or combine instead of dropping: [ensembling](ensembling.ipynb). What corrects labels
# stands beside what drops them among all [remedies](remedies.ipynb). Which one, if any, pays for your labels: [the
# decision](decision.ipynb).

# %% [markdown]
# ## Run it on your own data
#
# Name a study of your own and, if you like, one of its corpora:
#
# ```bash
# jupytext --to ipynb -o - notebooks/filtering.py \
#   | papermill - out.ipynb -p study studies/quick.yml -p corpus tweets -p fraction 0.25
# ```
#
# The study's runs must be in the ledger: `label-risk run studies/quick.yml` trains those that are missing.
# [Your turn](../rerun.md) has the way from a table of texts to this page.

# %%
charts.provenance(finding)
