"""Registrail, the flight recorder for container registries."""
