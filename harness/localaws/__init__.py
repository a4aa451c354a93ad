"""A local AWS: real protocols on real host names, training real models and serving them, on this machine.

It runs as its own process (:mod:`harness.localaws.server`) behind a proxy on loopback
(:mod:`harness.localaws.http.gateway`).
"""
