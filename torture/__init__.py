"""Torture: break everything between a sender and the store, then count.

`python -m torture --seed 1 --runs 50 --events 400` makes runs that follow from their seeds: hosts of the app that are
killed at random moments, a proxy that breaks the line to Azurite, a sender that tries again as Event Grid does. When a
run is over, what was acknowledged, what is stored and what is counted are compared by an oracle that shares no code
with the app; and each row of the history with what tracing the stored events anew, in order and undisturbed, says.
"""
