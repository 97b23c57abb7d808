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
# # Instability
#
# **The claim.** Train the same student again with another seed, and it predicts other classes for some texts.
# The paper reports that students of an LLM's labels agree less with each other than gold students [(the
# paper)](../paper.md): Krippendorff's alpha over runs and the proportion of unchanged predictions (PUC) fall.
#
# **The test.** A seed sets the new weights, the order of the data and dropout; the texts stay the same. The
# effect is the alpha of the gold students minus that of the annotator's students at the largest number of
# labels. It is *reproduced* where the 95 % interval lies above zero, *reversed* where it lies below, and *not
# shown* otherwise. PUC and plain disagreement are judged by the same rule and counted beside it.

# %% tags=["parameters"]
study = "studies/default.yml"
corpus = "all"
annotators = "all"
seed = 0

# %%
from helpers import charts, findings, studies

finding = findings.instability(studies.load(study), corpus=corpus, annotators=annotators, seed=seed)
charts.verdict(finding)

# %%
charts.show(finding)

# %% [markdown]
# Alpha is one where all seeds agree on every test text and zero where they agree as often as chance. The
# upright line is the alpha of the gold students; the pale bar is the 95 % interval of the distance to it, which may
# reach past one. The
# menu has the other measures. The standard deviations over seeds are what the paper calls variance of
# accuracy and macro-F1. They rest on one number a seed, so the interval of their ratio is wide; alpha rests
# on every test text and can tell more. Brown-Forsythe is the customary test of equal variances, which does
# not assume that accuracies are normal; its *p* is for one row, and there are many. Alpha is blank where all
# predictions are of one class: such students agree because they learnt nothing. PUC falls with the number of seeds
# that must agree, so only rows of as many seeds can be compared by it. Where the study has several seeds of one draw of
# [random errors](controls.ipynb), their students stand below the annotator's: their verdicts fall by the same rule, for
# comparison, and are not counted above.

# %%
charts.table(finding)

# %% [markdown]
# The same measures one by one, of gold students as well, each with its interval.

# %%
charts.table(finding, "levels")

# %% [markdown]
# ## Where predictions flip
#
# Test texts in four quarters, from those on which people agree to those on which they split, and again from
# those that the annotator is sure of to those that it is not. Texts of equal entropy share a quarter, so one
# may be empty; *highest* and *lowest* are then the outermost that are not. Gold students stand beside an
# annotator's, in quarters of its entropy too: a text may be hard for everybody, and only where its own students flip
# more does its doubt pass on.

# %%
charts.table(finding, "flips")

# %% [markdown]
# ## Another sample of texts
#
# Seeds are one kind of chance. Another is which texts were labelled: here students of one seed are trained on training
# subsets that are drawn anew from the same pool. Such subsets overlap, so they differ less than fresh texts would; the
# column *for fresh texts* corrects for that. An interval needs three subsets.
#
# The claim is tested over these subsets, too: the alpha of gold students minus that of the annotator's over the same
# subsets, at half of the pool at most, and the same by the disagreement of two of them. The rule is that of the claim.
# As subsets overlap, alpha is higher and disagreement lower than for fresh texts, of gold students as of the others.

# %%
charts.table(finding, "subsets")

# %% [markdown]
# ## Two number types
#
# A processor that is clearly faster in `bfloat16` trains students in it, and another in `float32`, so a study that
# was trained on several machines may hold both. If that mattered, two students of different types would
# disagree more often than two of one type, or those of one type would be more accurate.

# %%
charts.table(finding, "types")

# %% [markdown]
# ## What would change our mind
#
# - *Few seeds.* The interval widens to allow for that. More `seeds` in the study would narrow it.
# - *Alpha depends on the classes that students use.* Students that nearly always give one class disagree rarely
#   and still have a low alpha. Where alpha falls and plain disagreement does not rise, what changed is the classes
#   given.
# - *Other labels from the same LLM*, by another wording of the prompt, would add variance of their own, which
#   neither seeds nor subsets show.

# %% [markdown]
# ## What to try next
#
# Does a vote over seeds help a student that depends on its seed? See [ensembling](ensembling.ipynb).

# %% [markdown]
# ## Run it on your own data
#
# Name a study of your own and, if you like, one of its corpora:
#
# ```bash
# jupytext --to ipynb -o - notebooks/instability.py \
#   | papermill - out.ipynb -p study studies/quick.yml -p corpus tweets
# ```
#
# The study's runs must be in the ledger: `label-risk run studies/quick.yml` trains those that are missing.
# [Your turn](../rerun.md) has the way from a table of texts to this page.

# %%
charts.provenance(finding)
