"""Reference pipeline: load, fit, transform, evaluate, clean up."""
