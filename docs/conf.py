"""Sphinx's configuration. ``tox -e docs`` builds the site from the whole repository, so that README is checked too."""

import ast
import sys
from importlib.util import find_spec
from pathlib import Path

from harness import __version__

_ROOT = Path(__file__).parents[1]


def _imported_elsewhere() -> set[str]:
    """Return the packages that the harness imports and the docs environment lacks: 1.3 GB for a few annotations."""
    trees = [ast.parse(path.read_text(encoding="utf-8")) for path in (_ROOT / "harness").rglob("*.py")]
    nodes = [node for tree in trees for node in ast.walk(tree)]
    names = {alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names}
    names |= {node.module for node in nodes if isinstance(node, ast.ImportFrom) and node.module and not node.level}
    roots = {name.partition(".")[0] for name in names} - sys.stdlib_module_names
    return {root for root in roots if find_spec(root) is None}


project = "sagemaker-spark-harness"
version = release = __version__
html_title = f"{project} {release}"

extensions = ["myst_parser", "sphinx.ext.autodoc"]
root_doc = "docs/contents"
include_patterns = ["*.md", "docs/**", "harness/data/mnist/README.md"]
# Not even searched: an environment inside the clone may have any name.
exclude_patterns = [path.name for path in _ROOT.iterdir() if path.is_dir() and path.name not in ("docs", "harness")]

myst_heading_anchors = 4  # as GitHub makes them
smartquotes = False  # it makes a dash of the two hyphens of an option

autodoc_mock_imports = sorted(_imported_elsewhere())
autodoc_member_order = "bysource"
autodoc_typehints = "signature"
python_use_unqualified_type_names = True

html_theme = "furo"
html_extra_path = ["root"]  # index.html, which opens docs/README.html
html_static_path = ["static"]
html_css_files = ["site.css"]
html_copy_source = False
html_show_sphinx = False
html_theme_options = {"top_of_page_buttons": []}
pygments_style = "friendly"
pygments_dark_style = "monokai"
