"""Online scores against annotations: what is known when, and how early an action is found.

What is known at a time is the score of the newest window that has ended by then. *In stream time* it is
known with the end of its last frame; *as seen* by a person it is known ``latency * speed`` seconds later.
W windows of a stream have scores (W, K); times are seconds of the stream.
"""
