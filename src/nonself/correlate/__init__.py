"""Findings -> graph -> incidents."""

from nonself.correlate.incidents import incidents, told

__all__ = ["incidents", "told"]
