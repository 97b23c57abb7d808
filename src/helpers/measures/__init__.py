"""Measures of students and annotators: arrays in, plain numbers or tidy frames out, no files.

- `accuracy`     how good the predictions are
- `agreement`    what several annotators share, and what joining them can give
- `inheritance`  whether they repeat the annotator's mistakes
- `stability`    how much the predictions change from seed to seed
- `intervals`    uncertainty of any of these, over seeds and test texts
- `plateau`      what more labels buy
- `power`        how small a difference a test split can show
- `crossing`     where the learning curves of real and of random errors meet
- `prevalence`   shares from a few gold labels and many of an annotator
- `propagation`  the error decomposition on texts with several raters
- `toy`          the same decomposition where every term has a closed form

Shapes used throughout: S seeds (one run each), T test texts, K classes. Class ids are integers 0..K-1.

Every function raises ValueError where its arrays do not fit each other or a value lies outside its stated range, and
TypeError where class ids are no integers or `rng` is no `numpy.random.Generator`; it never draws from a global state.
"""
