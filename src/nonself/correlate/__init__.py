"""Findings -> graph -> incidents."""

from nonself.correlate.incidents import incidents

__all__ = ["incidents"]
