"""The local host, which serves the app as the Azure Functions host would, and the `registrail` command."""
