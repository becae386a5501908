"""Mergeable summaries that detectors are made of, and the tails of their predictive distributions."""
