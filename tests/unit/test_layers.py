"""Imports go down the layers only; ARCHITECTURE.md draws them."""

import ast
from pathlib import Path

import pytest

import harness

PACKAGE = Path(harness.__file__).parent
LAYERS = [  # from the bottom up
    {"errors"},
    {"settings", "printing", "waiting", "libsvm", "mnist", "java", "onpath", "processes", "scratch"},
    {"localaws", "containers"},
    {"aws"},
    {"spark"},
    {"guard"},
    {"pipeline", "pictures", "differences", "benchmarking"},
    {"plugin", "fixtures", "cli", "doctor", "execution", "program"},
]
SIDEWAYS = LAYERS[-2:]
"""Layers whose modules may import each other."""

MODULES = sorted(path.relative_to(PACKAGE) for path in PACKAGE.rglob("*.py") if path != PACKAGE / "__init__.py")


def unit(name):
    """Return the part of the package that a dotted name below it belongs to: ``localaws.gateway`` → ``localaws``."""
    return name.split(".")[0]


def layer(name):
    """Return the number of the layer a unit is in."""
    found = [number for number, units in enumerate(LAYERS) if name in units]
    assert found, f"harness.{name} is in no layer: give it one in {Path(__file__).name} and in ARCHITECTURE.md"
    return found[0]


def imported(source, package):
    """Return the dotted names of all that some source imports, wherever in it the import stands.

    ``from x import y`` counts as ``x.y``, since y may be a module; a relative import is resolved against ``package``.
    """
    names = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            above = package.split(".")[: len(package.split(".")) - node.level + 1] if node.level else []
            start = ".".join([*above, *filter(None, [node.module])])
            names |= {f"{start}.{alias.name}" for alias in node.names}
    return names


def imports_of(module):
    """Return what a module of the package imports; ``module`` is its path below the package."""
    package = ".".join(["harness", *module.parent.parts])
    return imported((PACKAGE / module).read_text(encoding="utf-8"), package)


def offences(importer, names):
    """Return the imports that the unit ``importer`` must not make."""
    own = {unit(name.removeprefix("harness.")) for name in names if name.startswith("harness.")}
    own -= {importer, "__version__"}
    level = layer(importer)
    return {name for name in own if not (layer(name) < level or (layer(name) == level and LAYERS[level] in SIDEWAYS))}


@pytest.mark.parametrize("module", MODULES, ids=str)
def test_a_module_is_in_a_layer_and_imports_from_lower_layers_only(module):
    assert offences(module.with_suffix("").parts[0], imports_of(module)) == set()


@pytest.mark.parametrize("module", MODULES, ids=str)
def test_moto_is_known_to_the_services_and_their_bodies_only(module):
    uses_moto = any(unit(name) == "moto" for name in imports_of(module))
    assert not uses_moto or module.name in ("moto_backend.py", "disk_bodies.py", "identities.py")


@pytest.mark.parametrize(
    ("importer", "source", "offence"),
    [
        ("localaws", "from harness.spark.session import session", {"spark"}),
        ("localaws", "import harness.containers.runtime", {"containers"}),
        ("containers", "from harness import localaws", {"localaws"}),
        ("mnist", "def f():\n    from harness import libsvm", {"libsvm"}),
        ("aws", "from .cli import main", {"cli"}),
        ("aws", "from harness.spark.session import session", {"spark"}),
        ("aws", "from harness.localaws import server\nimport numpy", set()),
        ("cli", "from harness.doctor import examine\nfrom harness import __version__", set()),
    ],
)
def test_the_check_sees_an_import_upward_or_sideways(importer, source, offence):
    assert offences(importer, imported(source, "harness")) == offence


def test_the_check_fails_for_a_module_in_no_layer():
    with pytest.raises(AssertionError, match=r"harness\.utils is in no layer"):
        offences("utils", set())


def test_a_relative_import_is_resolved_against_its_own_package():
    assert imported("from . import gateway\nfrom .. import spark", "harness.localaws") == {
        "harness.localaws.gateway",
        "harness.spark.session",
    }
