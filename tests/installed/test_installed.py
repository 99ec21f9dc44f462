"""The installed distribution: one package with a name of its own, which meets nobody else's package harness."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from tests.conftest import NAIVE, ROOT

# pip installs the project.
pytestmark = pytest.mark.slow

# The folders of the checkout that are installed.
PACKAGED = ("corpus", "harness", "reference")

PLUGIN = ("-p", "matmul_round_table.plugin")


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder into which pip has installed the project."""
    source = tmp_path_factory.mktemp("source")
    for folder in PACKAGED:
        shutil.copytree(
            ROOT / folder, source / folder, ignore=shutil.ignore_patterns("__pycache__", "target")
        )
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        if (ROOT / name).exists():
            shutil.copy(ROOT / name, source)
    target = tmp_path_factory.mktemp("installed")
    command = [
        sys.executable,
        "-m",
        "pip",
        "install",
        "--quiet",
        "--no-deps",
        "--target",
        str(target),
        str(source),
    ]
    subprocess.run(command, check=True, stdin=subprocess.DEVNULL)
    return target


def session(folder: Path, installed: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """pytest in `folder`, with that distribution and without the entry points of this environment."""
    told = {**os.environ, "PYTHONPATH": str(installed), "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
    command = [sys.executable, "-m", "pytest", *PLUGIN, "-p", "no:cacheprovider", *arguments]
    return subprocess.run(command, cwd=folder, env=told, capture_output=True, text=True, check=False)


def test_it_installs_one_package(installed: Path) -> None:
    packages = {path.name for path in installed.iterdir() if not path.name.endswith(".dist-info")}
    assert packages == {"matmul_round_table"}
    inside = installed / "matmul_round_table"
    wanted = {path.relative_to(ROOT) for folder in PACKAGED for path in data_files(ROOT / folder)}
    assert Path("harness/trials/faults.toml") in wanted
    assert {path for path in wanted if not (inside / path).is_file()} == set()


def data_files(folder: Path) -> list[Path]:
    """What a package needs besides its Python: Rust, templates, prompts, style sheets, tables."""
    # Only who works on the crates formats them or reads about them.
    left_out = {"__pycache__", "target", "rustfmt.toml", "README.md"}
    return [
        path
        for path in folder.rglob("*")
        if path.is_file() and path.suffix not in (".py", ".pdf") and not left_out & set(path.parts)
    ]


def test_every_package_of_the_project_is_installed() -> None:
    listed = set(tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]["packages"])
    found = {path.parent.relative_to(ROOT) for path in (ROOT / "harness").rglob("__init__.py")}
    wanted = {"matmul_round_table." + ".".join(folder.parts) for folder in found}
    assert listed == wanted | {f"matmul_round_table{inner}" for inner in ("", ".corpus", ".reference")}


def test_another_project_has_its_own_package_harness(installed: Path, tmp_path: Path) -> None:
    (tmp_path / "harness").mkdir()
    (tmp_path / "harness" / "__init__.py").write_text("VALUE = 7\n")
    (tmp_path / "kernel.rs").write_text("fn main() {}\n")
    (tmp_path / "test_own.py").write_text("import harness\ndef test_own(): assert harness.VALUE == 7\n")
    done = session(tmp_path, installed)
    assert done.returncode == pytest.ExitCode.OK, done.stdout + done.stderr
    assert "1 passed" in done.stdout


@pytest.mark.parametrize("from_elsewhere", [False, True])
def test_a_project_that_says_so_is_a_round_table(
    installed: Path, tmp_path: Path, from_elsewhere: bool
) -> None:
    (tmp_path / "pytest.ini").write_text("[pytest]\nroundtable = true\n")
    lone = tmp_path / "candidates" / "lone"
    lone.mkdir(parents=True)
    (lone / "kernel.rs").write_text(NAIVE)
    where = (Path("/"), str(lone)) if from_elsewhere else (tmp_path, "candidates")
    done = session(where[0], installed, where[1], "--profile", "quick", "-k", "compile or audit")
    assert done.returncode == pytest.ExitCode.OK, done.stdout + done.stderr
    assert "2 passed" in done.stdout


@pytest.mark.alone
def test_a_round_table_in_another_project_evolves(installed: Path, tmp_path: Path) -> None:
    (tmp_path / "pytest.ini").write_text("[pytest]\nroundtable = true\n")
    quick = ("--suite", "48x48x48", "--clock-budget", "1", "--profile", "quick", "--shortlist", "1")
    done = session(tmp_path, installed, "--generate", "1", *quick)
    assert done.returncode == pytest.ExitCode.OK, done.stdout + done.stderr
    assert len(list((tmp_path / "candidates").glob("gen-*/kernel.rs"))) == 1


def test_a_package_harness_that_is_imported_already_is_told(installed: Path, tmp_path: Path) -> None:
    (tmp_path / "pytest.ini").write_text("[pytest]\nroundtable = true\n")
    (tmp_path / "harness").mkdir()
    (tmp_path / "harness" / "__init__.py").write_text("")
    (tmp_path / "early.py").write_text("import harness\n")
    done = session(tmp_path, installed)
    assert done.returncode in (pytest.ExitCode.OK, pytest.ExitCode.NO_TESTS_COLLECTED)
    told = {
        **os.environ,
        "PYTHONPATH": f"{tmp_path}{os.pathsep}{installed}",
        "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",
    }
    command = [sys.executable, "-m", "pytest", "-p", "early", *PLUGIN]
    late = subprocess.run(command, cwd=tmp_path, env=told, capture_output=True, text=True, check=False)
    assert late.returncode == pytest.ExitCode.USAGE_ERROR
    assert "another package called harness is imported already" in late.stderr
