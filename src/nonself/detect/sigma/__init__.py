"""The Sigma rule engine: rules are compiled once and evaluated over columns, each distinct value of a field once."""

from nonself.detect.sigma.hits import HITS
from nonself.detect.sigma.ruleset import Ruleset
from nonself.detect.sigma.tree import LogSource, Rejected, Rule

__all__ = ["HITS", "LogSource", "Rejected", "Rule", "Ruleset"]
