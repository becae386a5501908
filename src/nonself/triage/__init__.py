"""Verdicts -> ranking that learns, exceptions that preview themselves, the life of an incident."""
