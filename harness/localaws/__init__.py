"""A local AWS on this machine: real protocols and host names, and models that are really trained and served.

It runs as its own process (:mod:`harness.localaws.server`) behind a proxy on loopback
(:mod:`harness.localaws.http.gateway`).
"""
