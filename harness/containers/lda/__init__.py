"""Amazon's built-in LDA as a container: see ``__main__``."""
