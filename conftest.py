"""What the repository's own tests need; the plugin itself is loaded through its entry point."""

pytest_plugins = ["pytester"]
