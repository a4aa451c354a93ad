"""Imports go down the layers only, and never in a circle. This is the one list of the layers."""

import ast
import re
from functools import cache
from pathlib import Path

import pytest

import harness

PACKAGE = Path(harness.__file__).parent
LAYERS = [  # from the bottom up
    ["errors", "regions"],
    ["settings", "console", "waiting", "processes", "scratch", "mnist", "java", "registries", "caches"],
    ["libsvm", "recordio", "kept"],
    ["localaws", "containers"],
    ["aws"],
    ["spark"],
    ["pipeline", "parity"],
    ["bench.results", "keeper"],
    ["bench.analysis"],
    ["bench"],
    ["fixtures", "plugin", "cli"],
]
SIDEWAYS = LAYERS[-1]
"""Units that may import each other."""
MOST_MODULES = 12
"""Modules of one folder, without ``__init__`` and ``__main__``."""
KNOWS_THE_MODE = {
    "settings.py": "Settings.in_aws, for what is decided before there is an AWS",
    "aws/cleanup/ledger_file.py": "Header.in_aws, of a run that may have ended",
    "bench/results/extra_info.py": "ExtraInfo.in_aws, of a result that another process may have recorded",
}
"""Modules that may compare a mode, and what for."""
SPARKS_PRIVATE = {"_jdf", "_jvm", "_gateway", "_jsc", "_jconf", "_jsparkSession"}
"""Private members of pyspark, which ``spark.internals`` alone uses."""
USES_MOTO = ("moto_backend.py", "disk_bodies.py", "buckets.py", "identities.py", "moto_versions.py", "stored.py")

MODULES = sorted(
    path.relative_to(PACKAGE) for path in PACKAGE.rglob("*.py") if path.parent != PACKAGE or path.name[0] != "_"
)
PACKAGES = sorted({path.parent for path in PACKAGE.rglob("*.py")})


parsed = cache(ast.parse)


def unit(name):
    """Return the unit that a dotted name below the package belongs to: ``localaws.http.gateway`` → ``localaws``."""
    known = {each for layer in LAYERS for each in layer}
    parents = [".".join(name.split(".")[:length]) for length in range(len(name.split(".")), 0, -1)]
    return next((parent for parent in parents if parent in known), name.split(".")[0])


def layer(name):
    """Return the number of the layer that a unit is in."""
    found = [number for number, units in enumerate(LAYERS) if name in units]
    assert found, f"harness.{name} is in no layer: give it one in {Path(__file__).name} and in ARCHITECTURE.md"
    return found[0]


def imported(source, package):
    """Return the dotted names of all that some source imports, wherever in it the import stands.

    ``from x import y`` counts as ``x.y``, since y may be a module; a relative import is resolved against ``package``.
    """
    names = set()
    for node in ast.walk(parsed(source)):
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
    """Return the units that the unit ``importer`` imports from and must not."""
    own = {unit(name.removeprefix("harness.")) for name in names if name.startswith("harness.")}
    own -= {importer, "__version__"}
    level = layer(importer)
    return {name for name in own if not (layer(name) < level or (name in SIDEWAYS and importer in SIDEWAYS))}


def dotted(module):
    return ".".join(module.with_suffix("").parts).removesuffix(".__init__")


@pytest.mark.parametrize("module", MODULES, ids=str)
def test_a_module_is_in_a_layer_and_imports_from_lower_layers_only(module):
    assert offences(unit(dotted(module)), imports_of(module)) == set()


def test_no_modules_import_each_other_in_a_cycle():
    known = {dotted(module) for module in MODULES}
    left = {}
    for module in MODULES:
        names = {name.removeprefix("harness.") for name in imports_of(module)}
        left[dotted(module)] = {each for name in names for each in (name, name.rpartition(".")[0]) if each in known}
    while free := {name for name, needs in left.items() if not needs & left.keys() - {name}}:
        left = {name: needs for name, needs in left.items() if name not in free}
    assert left == {}


def test_what_amazons_algorithms_share_imports_no_algorithm():
    modules = [module for module in MODULES if module.parts[:2] == ("containers", "amazon")]
    names = {name.removeprefix("harness.") for module in modules for name in imports_of(module)}
    own = {name.split(".")[1] for name in names if name.startswith("containers.")}
    assert own <= {"amazon", "csv_rows", "runtime", "server"}


@pytest.mark.parametrize("package", PACKAGES, ids=lambda path: path.name)
def test_a_folder_has_at_most_twelve_modules(package):
    assert len([path for path in package.glob("*.py") if not path.name.startswith("__")]) <= MOST_MODULES


def test_the_table_in_the_architecture_has_the_layers_from_the_top_down():
    text = (PACKAGE.parent / "ARCHITECTURE.md").read_text(encoding="utf-8")
    table = text.partition("## Packages\n")[2].partition("\nThe local AWS")[0]
    rows = [re.findall(r"`([a-z.]+)`", row.split("|")[1]) for row in table.splitlines() if row.startswith("| `")]
    assert rows == LAYERS[::-1]


@pytest.mark.parametrize("module", MODULES, ids=str)
def test_moto_is_known_to_its_backend_and_bodies_and_identities_only(module):
    uses_moto = any(name.split(".")[0] == "moto" for name in imports_of(module))
    assert not uses_moto or module.name in USES_MOTO


def asks_the_mode(source):
    """Return the lines of some source that compare a mode, or take an AWS for one of the two kinds."""
    lines = []
    for node in ast.walk(parsed(source)):
        sides = [ast.unparse(side) for side in (node.left, *node.comparators)] if isinstance(node, ast.Compare) else []
        compared = {"'mock'", "'real'"} & set(sides) and any(re.search(r"\bmode$", side) for side in sides)
        called = isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and ast.unparse(node)
        taken = called and re.match(r"(cast|isinstance)\(.*(MockAWS|RealAWS)|(hasattr|getattr)\(aws\b", called)
        lines += [node.lineno] if compared or taken else []
    return lines


@pytest.mark.parametrize("module", MODULES, ids=str)
def test_only_the_function_that_opens_aws_decides_by_the_mode(module):
    assert str(module) in KNOWS_THE_MODE or asks_the_mode((PACKAGE / module).read_text(encoding="utf-8")) == []


@pytest.mark.parametrize(
    "source",
    ['if settings.mode == "real": pass', 'x = "mock" != mode', 'cast("MockAWS", aws).reset()', 'hasattr(aws, "faults")',
     "isinstance(aws, RealAWS)", 'getattr(aws, "faults", None)'],
)  # fmt: skip
def test_the_check_sees_a_decision_by_the_mode(source):
    assert asks_the_mode(source) == [1]


def private_to_spark(source):
    """Return the private members of pyspark that some source uses; members of ``self`` may have such names."""
    uses = [node for node in ast.walk(parsed(source)) if isinstance(node, ast.Attribute)]
    of_others = [node for node in uses if not (isinstance(node.value, ast.Name) and node.value.id == "self")]
    return {node.attr for node in of_others} & SPARKS_PRIVATE


@pytest.mark.parametrize("folder", ["harness", "benchmarks", "tools"])
def test_private_members_of_pyspark_are_used_in_one_module_only(folder):
    paths = (PACKAGE.parent / folder).rglob("*.py")
    users = {path.relative_to(PACKAGE.parent) for path in paths if private_to_spark(path.read_text(encoding="utf-8"))}
    assert users == ({Path("harness/spark/internals.py")} if folder == "harness" else set())


def test_the_check_sees_a_private_member_of_pyspark_however_it_is_reached():
    assert private_to_spark("frame.limit(1)._jdf.schema()\nSparkContext._gateway = None\nself._jvm") == {
        "_jdf",
        "_gateway",
    }


@pytest.mark.parametrize(
    ("importer", "source", "offence"),
    [
        ("localaws", "from harness.spark import session", {"spark"}),
        ("localaws", "import harness.containers.runtime", {"containers"}),
        ("containers", "from harness import localaws", {"localaws"}),
        ("mnist", "def f():\n    from harness import libsvm", {"libsvm"}),
        ("bench.results", "from harness.bench.analysis import statistics", {"bench.analysis"}),
        ("aws", "from .cli import main", {"cli"}),
        ("aws", "from harness.spark import session", {"spark"}),
        ("aws", "from harness.localaws import server\nimport numpy", set()),
        ("cli", "from harness.bench.results import reader\nfrom harness import __version__", set()),
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
        "harness.spark",
    }
