"""Amazon's built-in k-means as a container: see ``__main__``."""
