"""Caches that later runs of this user share: their directory, and the trained models."""
