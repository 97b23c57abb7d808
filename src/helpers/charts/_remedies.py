"""The chart of the page `remedies`."""

import altair as alt

from helpers.charts import theme
from helpers.charts._gains import gains
from helpers.charts._parts import STEP, annotators_of, chosen_corpus, nothing
from helpers.findings import Finding


def remedies(finding: Finding, *, static: bool = False) -> alt.LayerChart:
    """What each remedy gains over as many of the annotator's labels: a dot a corpus and annotator, and the median."""
    if finding.frame.empty:
        return nothing(finding)
    rows = finding.frame.assign(difference=100 * finding.frame["gain"])
    rows = rows.assign(**{bound: 100 * rows[bound] for bound in ("low", "high")})
    ranked, annotators = list(dict.fromkeys(rows["remedy"])), annotators_of(rows["annotator"])
    chosen = theme.legend_selection("annotator")
    corpora = list(dict.fromkeys(rows["corpus"]))
    corpus = None if static else theme.switch("Corpus", corpora, everything="all")
    shown = chosen_corpus(alt.Chart(rows), corpus)
    chart = gains(shown, "remedy", ranked, annotators, chosen, static=static, step=STEP / 2)
    description = (
        f"Dot plot of what remedies ({', '.join(ranked)}) gain, in points of accuracy, over as many of the annotator's "
        f"labels: a dot a corpus and annotator ({', '.join(annotators)}), an upright line for the median. "
        f"{finding.summary}"
    )
    return theme.finish(chart, description, chosen, corpus)
