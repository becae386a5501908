"""`nonself bench sim`: from raw logs to incidents, measured against the truth, with simple ways to rank beside it.

One case is one company of the world with campaigns hidden in it, read day by day by the pipeline as it stands: what a day is scored against
is what came before. Every ranking, ours and each baseline, is judged by the same arithmetic (`judge`).
"""
