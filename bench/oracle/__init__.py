"""An independent reading of `docs/history.md`: what the app must say of a list of events.

It shares no code with the app's own folds and is simple rather than fast: it replays everything from the beginning. Use
`bench.oracle.answers.Oracle`; its answers are the items of the API's lists, so that they can be compared with its JSON.
"""
