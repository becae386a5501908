"""Public data sets that users fetch themselves: which files a set holds, how they become events, what its labels say, what is found in it.

Nothing of a set comes with nonself. A set's files are read by a source of ours where there is one, else by a mapping in `maps/`.
"""
