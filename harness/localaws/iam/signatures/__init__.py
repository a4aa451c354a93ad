"""Signatures of requests and forms in versions 4 and 2, bodies in signed chunks, and policies of POST forms."""
