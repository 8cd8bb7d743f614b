"""The triggers of Azure Functions: each translates in, calls one use case, and translates out."""
