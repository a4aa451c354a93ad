"""Load on an endpoint: generator, connections, validity, rate search, and null servers."""
