"""The analyst: verified claims, evidence gathering by playbook, hypotheses, a guarded language model, reports."""
