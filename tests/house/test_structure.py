"""The structure of the checkout: imports run downwards, names are unique, files and functions stay small."""

from __future__ import annotations

import ast
import re
from collections import Counter, defaultdict

from tests.conftest import ROOT
from tests.house.tree import imports, modules, source_files, syntax

# From top to bottom; a module may import from its own layer's package and from layers below. docs/architecture.md
# shows the same order as a picture.
LAYERS = (
    ("harness.front_door", "harness.studies", "harness.debug", "harness.doctor", "harness.export"),
    ("harness.report", "harness.fleet", "harness.learning", "harness.trials"),
    ("harness.roundtable",),
    ("harness.pipeline", "harness.minds", "harness.memory", "harness.corpus"),
    ("harness.schedule", "harness.clock", "harness.store", "harness.saved_timings"),
    ("harness.judge", "harness.compile", "harness.records"),
    ("harness.candidate", "harness.caches", "harness.settings", "harness.machine", "harness.durable"),
    ("harness.manifest_text", "harness.verdict", "harness.operation"),
    (
        "harness.installed",
        "harness.announce",
        "harness.interrupts",
        "harness.errors",
        "harness.packaged",
        "harness.places",
        "harness.shapes",
        "harness.visible",
    ),
)
# Programs that bear the name of a package which they are not part of, because that is where a user looks for them. They
# may import from everywhere, and nothing imports them.
PROGRAMS = ("harness.minds.learn", "harness.minds.try")
MAX_FILE_LINES = 400
MAX_FUNCTION_LINES = 60


def package_of(module: str) -> str:
    return ".".join(module.split(".")[:2])


def test_there_are_no_import_circles() -> None:
    graph = imports()
    done: set[str] = set()
    path: list[str] = []

    def visit(module: str) -> None:
        assert module not in path, " -> ".join([*path[path.index(module) :], module])
        if module in done:
            return
        path.append(module)
        for imported in sorted(graph[module]):
            visit(imported)
        path.pop()
        done.add(module)

    for module in graph:
        visit(module)


def test_packages_import_from_lower_layers_only() -> None:
    depth = {package: number for number, layer in enumerate(LAYERS) for package in layer}
    missing = {package_of(m) for m in imports() if m != "harness"} - set(depth)
    assert not missing, f"not in LAYERS: {sorted(missing)}"
    upwards = [
        f"{module} imports {imported}"
        for module, found in imports().items()
        for imported in found
        if "harness" not in (module, imported)
        and module not in PROGRAMS
        and package_of(module) != package_of(imported)
        and depth[package_of(imported)] <= depth[package_of(module)]
    ]
    assert not upwards, "\n".join(upwards)


def test_nothing_imports_a_program_that_may_import_from_everywhere() -> None:
    assert all(program in modules() for program in PROGRAMS)
    found = [module for module, imported in imports().items() if set(PROGRAMS) & set(imported)]
    assert not found


def test_imports_are_absolute() -> None:
    """The import graph reads absolute imports only."""
    relative = [
        f"{name}:{node.lineno}"
        for name, path in modules().items()
        if name.startswith("harness")
        for node in ast.walk(syntax(path))
        if isinstance(node, ast.ImportFrom) and node.level
    ]
    assert not relative, relative


def type_names(statement: ast.stmt) -> list[str]:
    """The class or type alias that a statement defines; an alias starts with a capital and has lower-case letters."""
    if isinstance(statement, ast.ClassDef):
        return [statement.name]
    if isinstance(statement, ast.Assign | ast.AnnAssign):
        targets = statement.targets if isinstance(statement, ast.Assign) else [statement.target]
        found = [target.id for target in targets if isinstance(target, ast.Name)]
        return [name for name in found if re.fullmatch(r"[A-Z]\w*[a-z]\w*", name)]
    return []


def test_no_two_public_types_share_a_name() -> None:
    places = defaultdict(list)
    for name, path in modules().items():
        if not name.startswith("harness"):
            continue
        for node in syntax(path).body:
            for found in type_names(node):
                places[found].append(name)
    shared = {name: where for name, where in places.items() if len(where) > 1}
    assert not shared, shared


def test_no_file_is_longer_than_a_reader_can_hold() -> None:
    counts = Counter(
        {
            str(path.relative_to(ROOT)): len(path.read_text(encoding="utf-8").splitlines())
            for path in source_files(".py", ".rs", ".j2")
        }
    )
    long = {name: lines for name, lines in counts.items() if lines > MAX_FILE_LINES}
    assert not long, long


def test_every_function_fits_a_screen() -> None:
    long = [
        f"{name}: {node.name} has {node.end_lineno - node.lineno + 1} lines"
        for name, path in modules().items()
        for node in ast.walk(syntax(path))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and node.end_lineno is not None
        and node.end_lineno - node.lineno + 1 > MAX_FUNCTION_LINES
    ]
    assert not long, "\n".join(long)


def test_the_tests_mirror_the_packages() -> None:
    product = {package_of(name).split(".")[-1] for name in modules() if name.count(".") >= 2}
    mirrored = {
        name.split(".")[1] for name in modules() if name.startswith("tests.") and name.count(".") >= 2
    }
    product = {name for name in product if (ROOT / "harness" / name).is_dir()}
    assert product <= mirrored, f"no tests/ folder for {sorted(product - mirrored)}"
