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
# # Ensembling
#
# **The claim.** Several students, or several annotators, vote, and the vote is better than one alone; it
# recovers a part of the gap to gold labels and does not remove the instability [(the
# paper)](../paper.md). Which answers the paper combines, and how, could not be confirmed. The verdicts are about a vote
# of students; labels of several annotators or prompts that are joined before a student is trained follow below.
#
# **The test.** The students of one annotator differ in their seeds. The effect is the accuracy of a vote minus the mean
# accuracy of one student. As many vote as the study has `seeds`; where there are more students, it is the mean over all
# sets of voters among them. The 95 % interval is over seeds and test texts, so it allows for votes of other students.
# Whether votes are more stable than students is not judged; for joined labels, alpha is in the last table. The claim is
# *reproduced* where the interval lies above zero, *reversed* where it lies below, and *not shown* otherwise. Neither
# this nor the joined labels need be what the paper did: it is our reading of the remedy that is tested.

# %% tags=["parameters"]
study = "studies/default.yml"
corpus = "all"
annotators = "all"
seed = 0

# %%
from helpers import charts, findings, studies

finding = findings.ensembling(studies.load(study), corpus=corpus, annotators=annotators, seed=seed)
charts.verdict(finding)

# %%
charts.show(finding)

# %% [markdown]
# Zero is one student, on average; ticks are the single ones. A vote counts the most probable class of every
# student; the mean takes their probabilities. The gold students vote as well, for a comparison: a vote that
# helps them as much has repaired the students' own variance and not the labels. So the table has the gap to gold that
# the vote closes twice: *Gap to gold closed* compares several voters with one gold student, and *gold voting too* takes
# off what gold students gain by voting. Below zero, voting helps gold more, and leaves the gap wider than it was. Both
# are shares of the gap between one student and one gold student, and blank where that is not clearly above zero.
#
# The other way to ensemble is on the annotators' side: a student is trained on the labels of all annotators, taken
# together by a vote or another rule. Where the study has that, it is in the last rows of each corpus, and its labels
# can be compared with each annotator's in the column *Training labels right*. Mind the budget: a vote of students
# costs trainings, a vote of annotators costs LLM calls. So a vote stands beside one student of *more labels*, which
# takes no more training than all voters together, but more LLM calls. Labels of several wordings of one annotator are
# joined in the last table of this page.

# %%
charts.table(finding)

# %% [markdown]
# ## Mistakes that annotators share
#
# A vote mends what its voters do not get wrong together. The next table has the correlation of the mistakes of
# several annotators on the test texts, or of one annotator in several wordings of the prompt, on those texts of the
# training pool that were put in all of them; and how many voters with unrelated mistakes they are worth. Then it has
# what their vote gives, what it would give if, within each gold class, one's mistakes said nothing of another's, and
# the most that any rule could get out of these labels alone, chosen in hindsight: such a rule may give a class that
# none of them gave.

# %%
charts.table(finding, "shared mistakes")

# %% [markdown]
# ## Labels put together
#
# A student of the labels of all annotators stands beside one of the strongest annotator's alone, which is the one that
# is right most often on the gold labels of the training pool; a student of the labels in all wordings that an annotator
# was asked in, beside one of its labels in the study's own wording. Beside a weaker annotator, joined labels would win
# by what a stronger one puts into them. They are compared with students of the same texts' labels, which is what the
# variants of the verdict judge, and of more texts': the largest number that the study has students of and that takes no
# more LLM calls. It may take far fewer, as *LLM calls for those* shows beside *LLM calls*; the joined labels have the
# larger budget then. Where only labels on which all agree are kept, a student is trained on fewer texts than were asked
# about; the column *Texts* has how many. Ties in these labels go to the higher mean probability; in *Mistakes that
# annotators share* they are broken at random, and the numbers there are expectations.

# %%
charts.table(finding, "labels together")

# %% [markdown]
# ## What would change our mind
#
# - *Budget.* A vote of several students costs several trainings. Where one student of more labels does as well,
#   in the first table, the vote is not worth it if labels are cheap.
# - *Errors that all share do not average out.* Students of one annotator have one teacher. A vote that closed
#   the gap to gold would show that the mistakes were noise after all.
# - *Few voters, and few students.* A vote of more may gain more, and with more seeds it could be judged better.

# %% [markdown]
# ## What to try next
#
# Compare the last rows of each corpus with the best annotator alone: a vote with weak voters can be worse than
# the strongest of them. [Error propagation](propagation.ipynb) says what a vote cannot mend.

# %% [markdown]
# ## Run it on your own data
#
# Name a study of your own and, if you like, one of its corpora:
#
# ```bash
# jupytext --to ipynb -o - notebooks/ensembling.py \
#   | papermill - out.ipynb -p study studies/quick.yml -p corpus tweets
# ```
#
# The study's runs must be in the ledger: `label-risk run studies/quick.yml` trains those that are missing.
# [Your turn](../rerun.md) has the way from a table of texts to this page.

# %%
charts.provenance(finding)
