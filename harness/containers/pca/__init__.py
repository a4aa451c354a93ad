"""Amazon's built-in PCA as a container: see ``__main__``."""
