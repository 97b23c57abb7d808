"""Speed against what a user would pick instead; `make bench` runs all of it and writes `benchmarks/REPORT.md`."""
