"""The world: a company that never was and its ordinary life, one action in all the logs that would see it, in their real formats.

Everything is a pure function of the arguments and the names of things: each entity has a random stream of its own (`clock.stream`).
"""
