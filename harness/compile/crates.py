"""The Rust crates of the harness itself, each built once by Cargo and kept in the cache.

They are the host (harness/host), the inspector (harness/compile/inspector), the walker of flip graphs (harness/walker)
and the libraries that candidates may link (harness/compile/externs: rayon). Sources are read from the package folder;
nothing is written there.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from harness.announce import Announce
from harness.caches import default_cache
from harness.compile.toolchain import Toolchain, find
from harness.errors import HarnessFaultError, UserError

_HARNESS = Path(__file__).resolve().parent.parent
HOST_CRATE = _HARNESS / "host"
WALKER_CRATE = _HARNESS / "walker"
INSPECTOR_CRATE = _HARNESS / "compile" / "inspector"
LIBRARY = "library.so"
EXTERNS_CRATE = _HARNESS / "compile" / "externs"

# Cargo's messages when the registry cannot be reached or may not be asked, for its versions since 1.70.
_OFFLINE = re.compile(
    r"(failed to download|download of .* failed|could(n't| not) resolve host|failed to fetch|network failure"
    r"|spurious network error|failed to query replaced source|connection refused|timed out|\[\d+\] .*(SSL|resolve)"
    r"|--offline was specified|no matching package named .* found)",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class ExternCrates:
    """rayon's rlib, the folder with it and its dependencies, and a digest of all of them."""

    rayon: Path
    folder: Path
    digest: str


def host_binary(say: Announce) -> Path:
    """The program that jails rustc and hosts candidates; built on first use.

    Raises UserError when Cargo cannot fetch the locked crates, HarnessFaultError when the crate does not build.
    """
    return _program(HOST_CRATE, "roundtable-host", say)


def inspector_binary(say: Announce) -> Path:
    """The program that inspects sources and binaries; built on first use. Raises like `host_binary`."""
    return _program(INSPECTOR_CRATE, "roundtable-inspector", say)


def walker_binary(say: Announce) -> Path:
    """The program that searches bilinear schemes, for this CPU; built on first use. Raises like `host_binary`."""
    return _program(WALKER_CRATE, "roundtable-walker", say, ["-Ctarget-cpu=native"])


def extern_crates(say: Announce) -> ExternCrates:
    """Rayon and its dependencies for this CPU and toolchain; built on first use. Raises like `host_binary`."""
    toolchain = find()
    key = _digest(EXTERNS_CRATE, toolchain.digest)
    folder = _cached("externs", key, say, lambda into: _build_externs(toolchain, into))
    names = sorted(path.name for path in folder.glob("*.rlib"))
    rayon = [name for name in names if re.fullmatch(r"librayon-[0-9a-f]+\.rlib", name)]
    if len(rayon) != 1:
        raise HarnessFaultError(
            f"{folder} holds {len(rayon)} rayon libraries, one was expected; remove the folder"
        )
    digest = hashlib.sha256(repr((key, names)).encode()).hexdigest()
    return ExternCrates(rayon=folder / rayon[0], folder=folder, digest=digest)


def _program(crate: Path, name: str, say: Announce, flags: Sequence[str] = ()) -> Path:
    """The crate's program; with `flags` it is built for this CPU."""
    toolchain = find()
    key = _digest(crate, toolchain.digest if flags else f"{toolchain.version} {toolchain.host}")

    def build(into: Path) -> None:
        made = [path for path in _cargo(toolchain, crate, list(flags)) if path.name == name]
        if not made:
            raise HarnessFaultError(f"cargo built {crate.name} but made no program named {name}")
        shutil.copy2(made[0], into / name)

    return _cached(name, key, say, build) / name


def dynamic_library(crate: Path, say: Announce) -> Path:
    """The cdylib of a yardstick's crate for this toolchain; built on first use. Raises like `host_binary`."""
    toolchain = find()

    def build(into: Path) -> None:
        made = [path for path in _cargo(toolchain, crate, []) if path.stem.startswith("libyardstick")]
        made = [path for path in made if path.suffix in (".so", ".dylib")]
        if len(made) != 1:
            raise HarnessFaultError(
                f"cargo built {crate.name} but made {len(made)} libraries, one was expected"
            )
        shutil.copy2(made[0], into / LIBRARY)

    key = _digest(crate, f"{toolchain.version} {toolchain.host}")
    return _cached(f"yardstick-{crate.name}", key, say, build) / LIBRARY


def _build_externs(toolchain: Toolchain, into: Path) -> None:
    cargo_home = os.environ.get("CARGO_HOME", str(Path.home() / ".cargo"))
    flags = ["-Ctarget-cpu=native", f"--remap-path-prefix={cargo_home}=cargo"]
    for path in _cargo(toolchain, EXTERNS_CRATE, flags):
        if path.suffix == ".rlib" and not path.name.startswith("libroundtable_externs"):
            shutil.copy2(path, into / path.name)


def _cached(kind: str, key: str, say: Announce, build: Callable[[Path], None]) -> Path:
    """The folder cache/tools/<kind>-<key>, built in a sibling folder by `build` and renamed when complete."""
    from filelock import FileLock

    tools = _folder("tools")
    final = tools / f"{kind}-{key}"
    if final.is_dir():
        return final
    with FileLock(tools / f"{kind}.lock"):
        if final.is_dir():
            return final
        say(f"building {kind} (once per toolchain) …")
        fresh = Path(tempfile.mkdtemp(prefix=f".{kind}-", dir=tools))
        try:
            build(fresh)
            # mkdtemp keeps other users out. A cache in an image is built by one user and used by others.
            fresh.chmod(0o755)
            fresh.rename(final)
        finally:
            shutil.rmtree(fresh, ignore_errors=True)
    return final


def _folder(name: str) -> Path:
    folder = default_cache() / name
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(
            f"{folder}: cannot be made ({error.strerror}); set ROUNDTABLE_CACHE to a writable folder"
        ) from None
    return folder


def _cargo(toolchain: Toolchain, crate: Path, rustflags: list[str]) -> list[Path]:
    """Run `cargo build --release --locked` for `crate` in the cache; returns the files built."""
    target = _folder("target") / crate.name
    target.mkdir(exist_ok=True)
    command = [
        str(toolchain.cargo), "build", "--release", "--locked", "--message-format=json-render-diagnostics",
        "--manifest-path", str(crate / "Cargo.toml"), "--target-dir", str(target),
    ]  # fmt: skip
    run = subprocess.run(
        command,
        # Cargo reads .cargo/config.toml from this folder upwards, so it must not be inside a folder of
        # candidates.
        cwd=target,
        env=cargo_environment(toolchain, rustflags),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        encoding="utf-8",
        errors="replace",
        check=False,
    )
    if run.returncode != 0:
        raise _explained(crate, run.stderr)
    return list(_made(run.stdout))


def _made(messages: str) -> Iterator[Path]:
    for line in messages.splitlines():
        if line.startswith("{"):
            message = json.loads(line)
            if message.get("reason") == "compiler-artifact":
                yield from map(Path, message["filenames"])


def cargo_environment(toolchain: Toolchain, rustflags: list[str]) -> dict[str, str]:
    """The user's environment (proxy, CARGO_HOME, registry mirrors) without variables that change the machine code."""
    unwanted = re.compile(
        r"RUSTC.*|RUSTFLAGS|CARGO_ENCODED_RUSTFLAGS|CARGO_BUILD_.*|CARGO_PROFILE_.*|CARGO_TARGET_.*"
    )
    kept = {key: value for key, value in os.environ.items() if not unwanted.fullmatch(key)}
    # Empty, because a wrapper such as sccache may stand in Cargo's own configuration, too.
    wrappers = {"RUSTC_WRAPPER": "", "RUSTC_WORKSPACE_WRAPPER": ""}
    own = {"RUSTC": str(toolchain.rustc), "CARGO_ENCODED_RUSTFLAGS": "\x1f".join(rustflags)}
    return kept | wrappers | own


def registry_is_out_of_reach(complaint: str) -> bool:
    """Whether Cargo failed because the registry cannot be reached or may not be asked."""
    return _OFFLINE.search(complaint) is not None


def _explained(crate: Path, stderr: str) -> Exception:
    """Cargo's failure as one line: network, disk, or a bug of the crate."""
    lines = [line.strip() for line in stderr.splitlines() if line.strip()]
    first = next((line for line in lines if line.startswith("error")), lines[-1] if lines else "no message")
    if registry_is_out_of_reach(stderr):
        return UserError(
            f"cannot fetch the crates of {crate.name} from crates.io ({first[:200]}); connect once (without "
            "CARGO_NET_OFFLINE), or set up a mirror in ~/.cargo/config.toml, and run again"
        )
    if "No space left on device" in stderr:
        return UserError(
            f"the disk is full while building {crate.name} under {default_cache()}; free some space and run again"
        )
    return HarnessFaultError(f"building {crate.name} failed: {' | '.join(lines[-12:])[:1500]}")


def _digest(crate: Path, salt: str) -> str:
    """Hash of a crate's manifest, lock file and sources, and of the tools that build it."""
    state = hashlib.sha256(salt.encode())
    files = [crate / "Cargo.toml", crate / "Cargo.lock", *sorted((crate / "src").rglob("*.rs"))]
    for path in files:
        try:
            content = path.read_bytes()
        except OSError as error:
            raise HarnessFaultError(
                f"{path}: a source of the harness cannot be read: {error.strerror}"
            ) from None
        state.update(f"{path.relative_to(crate)}\0{len(content)}\0".encode() + content)
    return state.hexdigest()[:16]
