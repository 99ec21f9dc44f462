"""A crate that replaces matrixmultiply: which version, every feature, the paths, and other people's programs on it."""

from __future__ import annotations

import dataclasses
import shutil
import subprocess
import tomllib
from collections import Counter
from pathlib import Path

import pytest

from harness.compile.crates import cargo_environment
from harness.compile.toolchain import find
from harness.errors import UserError
from harness.export import original
from harness.export.__main__ import main
from harness.export.drop_in import EVOLVED, DropIn
from harness.export.folder import write
from harness.export.original import OriginalCrate, fetch, read, require_version, version_in_lock
from tests.conftest import LEAN_CARGO, ROOT
from tests.export.fakes import plan, taken
from tests.export.sgemm_sources import NAIVE_SGEMM
from tests.export.test_assembly import RAYON
from tests.export.test_command import candidate_in
from tests.export.test_source_text import of_candidate

PROGRAM = ROOT / "reference" / "programs" / "products"
PUBLISHED = OriginalCrate(
    "0.3.99",
    {
        "package": {"name": "matrixmultiply", "version": "0.3.99", "edition": "2018"},
        "lib": {"name": "matrixmultiply", "path": "src/lib.rs"},
        "features": {
            "default": ["std", "fast"],
            "std": [],
            "fast": [],
            "threading": ["std", "pool"],
            "new": ["dep:hidden"],
        },
        "dependencies": {
            "pool": {"version": "1", "optional": True},
            "hidden": {"version": "1", "optional": True},
        },
        "dev-dependencies": {"itertools": {"version": "0.15"}},
        "test": [{"name": "sgemm", "path": "tests/sgemm.rs"}, {"name": "gone", "path": "tests/gone.rs"}],
        "profile": {"release": {"debug": True}},
    },
    {"src/lib.rs": "", "tests/sgemm.rs": "", "LICENSE-MIT": "theirs", "README.md": ""},
)


def drop_in(
    source: str = NAIVE_SGEMM, crate: OriginalCrate = PUBLISHED, folder: Path = Path("/taken")
) -> DropIn:
    return DropIn(dataclasses.replace(plan(taken("k", source)), name=EVOLVED), crate, folder)


def test_the_three_packages_have_the_names_and_versions_that_cargo_needs() -> None:
    files = drop_in().files()
    own = tomllib.loads(files["Cargo.toml"])
    assert (own["package"]["name"], own["package"]["version"]) == ("matrixmultiply", "0.3.99")
    theirs = tomllib.loads(files["original/Cargo.toml"])
    assert theirs["package"]["name"] == "matrixmultiply-original"
    assert theirs["lib"]["name"] == "matrixmultiply_original"
    assert not {"test", "profile", "dev-dependencies"} & set(theirs)
    assert tomllib.loads(files["evolved/Cargo.toml"])["package"]["name"] == EVOLVED
    assert files["original/LICENSE-MIT"] == "theirs"
    assert files["evolved/src/kernels/k.rs"] == NAIVE_SGEMM
    assert 'matrixmultiply = { path = "/taken" }' in files["README.md"]


def test_every_feature_of_the_original_exists_and_is_forwarded() -> None:
    features = tomllib.loads(drop_in().files()["Cargo.toml"])["features"]
    assert set(features) == {"default", "std", "fast", "threading", "new", "pool", "trace"}
    assert features["default"] == ["std", "fast"]
    assert features["std"] == ["matrixmultiply-original/std", f"dep:{EVOLVED}"]
    assert features["threading"] == ["matrixmultiply-original/threading", "std", "pool"]
    assert features["new"] == ["matrixmultiply-original/new"]


def test_kernels_for_all_cores_come_with_the_feature_threading_only() -> None:
    crate = drop_in(RAYON)
    assert "std::env::var" not in crate.files()["src/route.rs"]
    features = tomllib.loads(crate.files()["Cargo.toml"])["features"]
    assert f"{EVOLVED}?/rayon" in features["threading"]
    assert tomllib.loads(crate.files()["Cargo.toml"])["dependencies"][EVOLVED]["default-features"] is False


def test_the_originals_own_tests_are_run_against_the_replacement() -> None:
    manifest = tomllib.loads(drop_in().files()["Cargo.toml"])
    assert [test["path"] for test in manifest["test"]] == ["original/tests/sgemm.rs", "tests/paths.rs"]
    assert manifest["dev-dependencies"] == {"itertools": {"version": "0.15"}}


def test_the_command_says_what_a_lone_product_kernel_serves() -> None:
    assert "contiguous products" in drop_in(of_candidate("run6")).served_text
    assert "every layout" in drop_in().served_text


def test_a_feature_with_a_name_of_ours_is_refused() -> None:
    theirs = dataclasses.replace(PUBLISHED, manifest={**PUBLISHED.manifest, "features": {"trace": []}})
    with pytest.raises(UserError, match="has a feature named trace"):
        drop_in(crate=theirs).files()


LOCK = '[[package]]\nname = "{name}"\nversion = "{version}"\nsource = "{source}"\n'
REGISTRY = "registry+somewhere"


def lock_in(folder: Path, *packages: tuple[str, str, str]) -> Path:
    path = folder / "Cargo.lock"
    text = "".join(
        LOCK.format(name=name, version=version, source=source) for name, version, source in packages
    )
    path.write_text(text, encoding="utf-8")
    return path


def test_the_version_is_that_of_the_lock_file(tmp_path: Path) -> None:
    assert version_in_lock(lock_in(tmp_path, ("matrixmultiply", "0.3.10", REGISTRY))) == "0.3.10"
    patched = tmp_path / "patched.lock"
    patched.write_text('[[package]]\nname = "matrixmultiply"\nversion = "0.3.9"\n', encoding="utf-8")
    assert version_in_lock(patched) == "0.3.9"


@pytest.mark.parametrize(
    ("packages", "message"),
    [
        ([("ndarray", "0.17.2", REGISTRY)], "has no matrixmultiply"),
        ([("matrixmultiply", "0.2.4", REGISTRY), ("matrixmultiply", "0.3.10", REGISTRY)], "0.2.4 and 0.3.10"),
        ([("matrixmultiply", "0.3.10", "git+somewhere")], "from git"),
    ],
)
def test_a_lock_file_that_does_not_help_is_one_line(
    packages: list[tuple[str, str, str]], message: str, tmp_path: Path
) -> None:
    with pytest.raises(UserError, match=message) as caught:
        version_in_lock(lock_in(tmp_path, *packages))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("text", ["[[package]", "package = 3", '[[package]]\nversion = "1"', "\x00", None])
def test_what_is_no_lock_file_is_one_line(text: str | None, tmp_path: Path) -> None:
    path = tmp_path / "Cargo.lock"
    if text is not None:
        path.write_text(text, encoding="utf-8")
    with pytest.raises(UserError, match="--lock ") as caught:
        version_in_lock(path)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("version", ["", "0.3", "^0.3.1", "0.3.11 ", "latest", "../0.3.11", "1.2.3\n"])
def test_only_an_exact_version_is_taken(version: str) -> None:
    with pytest.raises(UserError, match="one exact version"):
        require_version(version)


@pytest.mark.parametrize(
    ("complaint", "message"),
    [
        (
            "error: failed to select a version\ncandidate versions found which didn't match: 0.3.11, 0.3.10, ...",
            "0.3.11",
        ),
        (
            "error: failed to get `matrixmultiply`\n  download of config.json failed",
            "cannot be fetched from crates.io",
        ),
        ("error: no matching package named `matrixmultiply` found", "connect once"),
        ("error: something else", "something else"),
    ],
)
def test_a_registry_that_does_not_answer_is_one_line(
    complaint: str, message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    toolchain = find()
    failed = subprocess.CompletedProcess([], 101, "", complaint)
    monkeypatch.setattr(original.subprocess, "run", lambda *_, **__: failed)
    with pytest.raises(UserError, match=message) as caught:
        fetch("9.9.9", toolchain)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--lock", "TMP/Cargo.lock"], "add --as matrixmultiply"),
        (["--version", "0.3.11"], "add --as matrixmultiply"),
        (["--as", "matrixmultiply", "--name", "other"], "leave --name out"),
        (["--as", "matrixmultiply", "--version", "0.3"], "one exact version"),
        (["--as", "matrixmultiply", "--lock", "TMP/none"], "cannot be read"),
    ],
)
def test_bad_usage_is_one_line(
    arguments: list[str], message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    candidate = candidate_in(tmp_path / "good")
    given = [text.replace("TMP", str(tmp_path)) for text in arguments]
    assert main([str(candidate), "--to", str(tmp_path / "new"), *given]) == 2
    error = capsys.readouterr().err
    assert message in error
    assert len(error.splitlines()) == 1
    assert not (tmp_path / "new").exists()


@pytest.fixture(scope="module")
def published() -> OriginalCrate:
    """The version in the program's lock file, fetched as the command does; skipped without a registry."""
    try:
        return fetch(version_in_lock(PROGRAM / "Cargo.lock"), find())
    except UserError as error:
        pytest.skip(str(error))


@pytest.fixture(scope="module")
def replacement(published: OriginalCrate, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A replacement around a kernel that takes strides."""
    folder = tmp_path_factory.mktemp("drop-in") / "matrixmultiply"
    write(folder, drop_in(NAIVE_SGEMM, published, folder).files())
    return folder


@pytest.fixture(scope="module")
def target(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Cargo's build folder, shared because the dependencies are the same."""
    return str(tmp_path_factory.mktemp("target"))


def paths(trace: Path) -> Counter[str]:
    return Counter(line.partition(" ")[0] for line in trace.read_text(encoding="utf-8").splitlines())


@pytest.mark.slow
@pytest.mark.parametrize("name", ["NAIVE_SGEMM", "run6"])
def test_the_originals_suite_and_every_layout_pass_on_the_replacement(
    name: str, published: OriginalCrate, replacement: Path, target: str, tmp_path: Path
) -> None:
    folder = replacement
    if name == "run6":
        folder = tmp_path / "crate"
        write(folder, drop_in(of_candidate("run6"), published, folder).files())
    trace = tmp_path / "trace.txt"
    told = cargo_with_network(
        folder,
        "test",
        "--features",
        "trace,cgemm",
        CARGO_TARGET_DIR=target,
        MATRIXMULTIPLY_TRACE=str(trace),
    )
    assert "test test_sgemm_strides ... ok" in told
    found = paths(trace)
    assert found["evolved"] > 100
    if name != "run6":
        assert found["evolved"] >= 0.95 * found.total()


def cargo_with_network(folder: Path, *arguments: str, **environment: str) -> str:
    done = subprocess.run(
        [str(find().cargo), *arguments], cwd=folder, env=cargo_environment(find(), []) | LEAN_CARGO | environment,
        capture_output=True, encoding="utf-8", check=False, timeout=900,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-4000:]
    return done.stdout + done.stderr


@pytest.mark.slow
def test_products_of_ndarray_and_nalgebra_take_the_evolved_path(
    replacement: Path, target: str, tmp_path: Path
) -> None:
    program, trace = tmp_path / "program", tmp_path / "trace.txt"
    shutil.copytree(PROGRAM, program, ignore=shutil.ignore_patterns("target"))
    config = f'patch.crates-io.matrixmultiply.path="{replacement}"'
    told = cargo_with_network(
        program, "test", "--tests", "--config", config, "--features", "matrixmultiply/trace",
        CARGO_TARGET_DIR=target, MATRIXMULTIPLY_TRACE=str(trace),
    )  # fmt: skip
    assert "was not used in the crate graph" not in told
    found = paths(trace)
    assert found.total() > 1000
    assert found["evolved"] >= 0.95 * found.total()


@pytest.mark.slow
def test_without_std_and_with_every_feature_it_compiles_without_a_warning(
    replacement: Path, target: str
) -> None:
    for features in (["--no-default-features"], ["--all-features"]):
        told = cargo_with_network(
            replacement,
            "clippy",
            *features,
            "--",
            "-D",
            "warnings",
            CARGO_TARGET_DIR=target,
        )
        assert "matrixmultiply v" in told


@pytest.mark.slow
def test_where_no_kernel_runs_the_original_serves(
    published: OriginalCrate, target: str, tmp_path: Path
) -> None:
    folder, trace = tmp_path / "crate", tmp_path / "trace.txt"
    elsewhere = NAIVE_SGEMM + '\n#[target_feature(enable = "neon")]\nfn f() {}\n'
    write(folder, drop_in(elsewhere, published, folder).files())
    if "aarch64" in find().host:
        pytest.skip("the kernel runs on this CPU")
    cargo_with_network(
        folder, "test", "--features", "trace", "--test", "paths", CARGO_TARGET_DIR=target,
        MATRIXMULTIPLY_TRACE=str(trace),
    )  # fmt: skip
    assert set(paths(trace)) == {"original"}


@pytest.mark.slow
def test_within_another_workspace_it_is_its_own(replacement: Path, tmp_path: Path) -> None:
    program = tmp_path / "program"
    (program / "src").mkdir(parents=True)
    (program / "src" / "main.rs").write_text("fn main() {}\n", encoding="utf-8")
    (program / "Cargo.toml").write_text(
        '[workspace]\n[package]\nname = "program"\nversion = "0.1.0"\nedition = "2021"\n[dependencies]\n'
        'matrixmultiply = "0.3"\n[patch.crates-io]\nmatrixmultiply = { path = "taken" }\n',
        encoding="utf-8",
    )
    shutil.copytree(replacement, program / "taken", ignore=shutil.ignore_patterns("target"))
    told = cargo_with_network(program, "tree", "-i", "matrixmultiply")
    assert str(program / "taken") in told


def test_a_crate_is_read_without_what_cargo_adds(tmp_path: Path) -> None:
    (tmp_path / "src").mkdir()
    for name in ("Cargo.toml.orig", "Cargo.lock", ".cargo-ok", "LICENSE-MIT", "src/lib.rs"):
        (tmp_path / name).write_text("x", encoding="utf-8")
    (tmp_path / "Cargo.toml").write_text('[package]\nversion = "0.3.11"\n', encoding="utf-8")
    found = read(tmp_path)
    assert found.version == "0.3.11"
    assert set(found.files) == {"LICENSE-MIT", "src/lib.rs"}


def test_the_programs_lock_file_names_the_original() -> None:
    assert version_in_lock(PROGRAM / "Cargo.lock") == "0.3.11"
