"""The compile gate: honest kernels compile in the sandbox, bad ones get readable diagnostics, hostile ones are
stopped.
"""

# Rust text keeps its own lines.
# ruff: noqa: E501

from __future__ import annotations

import ctypes
import dataclasses
import json
import os
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from harness.compile import compile_cache, diagnostics, limited_process, rustc
from harness.compile.rustc import CompiledKernel, Tools
from harness.operation.operations import MATMUL
from harness.verdict import CompileError, Gate, Inconclusive, OutOfMemory, Timeout
from tests.compile.honest_kernels import HONEST
from tests.compile.plain_kernel import PLAIN, SIGNATURE
from tests.compile.support import built, tools

linux = pytest.mark.skipif(sys.platform != "linux", reason="the jail is Landlock's, which only Linux has")


@pytest.fixture
def fresh(tmp_path: Path) -> Tools:
    """The tools with an empty kernel cache."""
    return dataclasses.replace(tools(), kernels=tmp_path / "kernels")


@pytest.mark.parametrize("name", HONEST)
def test_an_honest_kernel_compiles(name: str) -> None:
    library = built(HONEST[name])
    assert library.path.is_file()
    assert compile_cache.file_hash(library.path) == library.binary_hash


def test_safe_kernels_compile_in_the_safe_tier() -> None:
    for name in ("textbook", "rayon rows", "std::thread::scope", "thread_local scratch", "const generics"):
        assert isinstance(rustc.compile_kernel(HONEST[name], "safe", tools()), CompiledKernel), name


@pytest.mark.parametrize(
    "trick",
    [
        "unsafe { core::hint::unreachable_unchecked() }",
        "#[allow(unsafe_code)] unsafe { core::hint::unreachable_unchecked() }",
    ],
)
def test_forbid_unsafe_code_works_without_the_policy(trick: str) -> None:
    """Even if the policy misses it, unsafe code does not compile in the safe tier."""
    source = f"{SIGNATURE} {{ let _ = (m, k, n, a, b, c); {trick} }}"
    result = rustc.compile_kernel(source, "safe", tools())
    assert isinstance(result, CompileError)
    assert "unsafe" in result.diagnostics
    export = "#[no_mangle] pub fn other() {}\n" + PLAIN
    assert isinstance(rustc.compile_kernel(export, "safe", tools()), CompileError)


@pytest.mark.parametrize(
    ("source", "told"),
    [
        ("pub fn matmul(m: usize) {}", "incorrect number of function parameters"),
        ("pub fn other() {}", "matmul"),
        (PLAIN.replace("pub fn", "fn"), "private"),
        (PLAIN.replace("c: &mut [f32]", "c: &mut [f64]"), "expected"),
        (PLAIN.replace("pub fn", "pub unsafe fn"), "expected"),
        ("pub fn matmul(m: usize, k: usize", "unclosed delimiter"),
        (PLAIN.replace("sum;", "summ;"), "summ"),
    ],
)
def test_a_refusal_is_readable_and_names_the_place(source: str, told: str) -> None:
    result = rustc.compile_kernel(source, "unsafe", tools())
    assert isinstance(result, CompileError)
    assert result.at.gate is Gate.COMPILE
    assert told in result.summary + result.diagnostics
    assert "\n" not in result.summary
    for private in (str(Path.home()), str(tools().kernels), str(tools().toolchain.sysroot)):
        assert private not in result.summary + result.diagnostics
    assert ("kernel.rs:" in result.diagnostics) or ("contract.rs:" in result.diagnostics)


@pytest.mark.parametrize(
    ("item", "hint"),
    [
        ("mod q { pub fn f() {} pub fn g() { crate::q::f(); } }", "not crate::"),
        ("const X: usize = 1; mod q { pub const Y: usize = crate::X; }", "not crate::"),
        ("mod q { pub fn f() {} } mod r { use crate::q; }", "not crate::"),
        ("macro_rules! m { () => { $crate::q() } } fn q() {} pub fn g() { m!() }", "not crate::"),
        ("#[macro_use] extern crate alloc;", "std:: for alloc::"),
        ("extern crate alloc; mod q { use alloc::vec::Vec; }", "std:: for alloc::"),
        ("mod q { use ::alloc::vec::Vec; }", "std:: for alloc::"),
        ("fn x() { if let Some(y) = Some(1) && y > 0 {} }", "edition 2021"),
        ("use serde::Serialize;", None),
        ("use ::serde::Serialize;", None),
        ("fn x() { missing(); }", None),
        ("fn x() { let _ = alloc(1); }", None),
    ],
)
def test_errors_of_kernels_written_as_a_crate_come_with_a_hint(item: str, hint: str | None) -> None:
    result = rustc.compile_kernel(f"// hints\n{item}\n{PLAIN}", "unsafe", tools())
    assert isinstance(result, CompileError)
    for text in (result.summary, result.diagnostics):
        assert hint in text if hint else "kernel.rs is " not in text, text


def test_warnings_are_kept_apart() -> None:
    library = built("fn unused() {}\n" + PLAIN)
    assert len(library.warnings) == 1
    assert "never used" in library.warnings[0]
    assert "kernel.rs:1:4" in library.warnings[0]
    assert built(HONEST["textbook"]).warnings == ()


@pytest.mark.skipif("x86_64" not in tools().toolchain.host, reason="a feature of x86-64")
def test_the_flag_for_wide_vectors_causes_no_warning(fresh: Tools) -> None:
    """On CPUs with narrow tuning the flag is set, and rustc's warning about the flag is not attributed to the
    candidate.
    """
    wide = dataclasses.replace(fresh.toolchain, tuning_flags=("-Ctarget-feature=-prefer-256-bit",))
    library = rustc.compile_kernel(PLAIN, "unsafe", dataclasses.replace(fresh, toolchain=wide))
    assert isinstance(library, CompiledKernel)
    assert library.warnings == ()


def test_the_library_computes_the_product() -> None:
    """An honest kernel of our own, so loading it here is harmless; Python never loads candidates."""
    call = ctypes.CDLL(str(built(PLAIN).path))[MATMUL.symbol]
    floats = ctypes.c_float * 4
    a, b, c = floats(1, 2, 3, 4), floats(5, 6, 7, 8), floats()
    call(*(ctypes.c_size_t(2),) * 3, a, b, c)
    assert list(c) == [19, 22, 43, 50]


def test_the_same_source_gives_the_same_binary_from_the_cache_and_anew(fresh: Tools) -> None:
    first = rustc.compile_kernel(PLAIN, "unsafe", fresh)
    second = rustc.compile_kernel(PLAIN, "unsafe", fresh)
    assert isinstance(first, CompiledKernel)
    assert isinstance(second, CompiledKernel)
    assert (first.cached, second.cached) == (False, True)
    assert dataclasses.replace(first, cached=True) == second
    assert built(PLAIN).binary_hash == first.binary_hash


def test_a_compile_error_is_cached_unchanged(fresh: Tools) -> None:
    first = rustc.compile_kernel("fn x(", "unsafe", fresh)
    assert isinstance(first, CompileError)
    began = time.monotonic()
    assert rustc.compile_kernel("fn x(", "unsafe", fresh) == first
    assert len([path for path in fresh.kernels.iterdir() if not path.name.startswith(".")]) == 1
    assert time.monotonic() >= began


@pytest.mark.parametrize("damage", ["flip", "truncate", "no record", "bad record", "empty folder"])
def test_a_torn_or_tampered_entry_is_built_anew(fresh: Tools, damage: str) -> None:
    first = rustc.compile_kernel(PLAIN, "unsafe", fresh)
    assert isinstance(first, CompiledKernel)
    record = first.path.parent / compile_cache.RECORD_FILE
    first.path.chmod(0o755)
    match damage:
        case "flip":
            data = bytearray(first.path.read_bytes())
            data[len(data) // 2] ^= 1
            first.path.write_bytes(bytes(data))
        case "truncate":
            os.truncate(first.path, 100)
        case "no record":
            record.unlink()
        case "bad record":
            record.write_text(json.dumps({"binary_hash": 3})[:-2])
        case _:
            record.unlink()
            first.path.unlink()
    again = rustc.compile_kernel(PLAIN, "unsafe", fresh)
    assert isinstance(again, CompiledKernel)
    assert not again.cached
    assert compile_cache.file_hash(again.path) == first.binary_hash
    assert [path.name for path in fresh.kernels.iterdir()] == [again.path.parent.name]


def test_two_compilations_at_once_agree(fresh: Tools) -> None:
    with ThreadPoolExecutor(3) as pool:
        results = list(pool.map(lambda _: rustc.compile_kernel(PLAIN, "unsafe", fresh), range(3)))
    assert len({result.binary_hash for result in results if isinstance(result, CompiledKernel)}) == 1
    assert all(isinstance(result, CompiledKernel) and result.path.is_file() for result in results)
    assert len(list(fresh.kernels.iterdir())) == 1


def test_the_cache_is_pruned_by_last_use(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for index in range(4):
        compile_cache.store_error(tmp_path / f"e{index}", CompileError("x", "y"))
        os.utime(tmp_path / f"e{index}", times=(0, 1000 + index))
    assert isinstance(compile_cache.load(tmp_path / "e1", "s"), CompileError)  # used just now, so it is young
    monkeypatch.setattr(compile_cache, "ENTRIES_KEPT", 2)
    (tmp_path / ".rustc-left-by-a-kill").mkdir()
    os.utime(tmp_path / ".rustc-left-by-a-kill", times=(0, 1000))
    compile_cache.store_error(tmp_path / "e4", CompileError("x", "y"))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["e1", "e4"]


def test_an_endless_constant_is_stopped() -> None:
    source = "const fn f() -> u32 { loop {} }\npub const X: u32 = f();\n" + PLAIN
    result = rustc.compile_kernel(source, "unsafe", tools())
    assert isinstance(result, CompileError)
    assert "constant evaluation" in result.summary


def test_a_compiler_that_takes_too_long_is_a_timeout(fresh: Tools, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rustc, "WALL_LIMIT_S", 2.0)
    endless = "#![allow(long_running_const_eval)]\nconst fn f(n: u64) -> u64 { let mut i = 0; while i < n { i += 1 } i }\n"
    source = endless + "pub static X: u64 = f(u64::MAX);\n" + PLAIN
    result = rustc.compile_kernel(source, "unsafe", fresh)
    assert result == Timeout(2.0, rustc._AT)
    assert list(fresh.kernels.iterdir()) == []


@linux
def test_a_compiler_that_got_no_core_says_nothing_about_the_kernel(
    fresh: Tools, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rustc, "WALL_LIMIT_S", 0.05)
    monkeypatch.setattr(limited_process, "BUSY_SHARE", 1e9)
    result = rustc.compile_kernel(PLAIN, "unsafe", fresh)
    assert isinstance(result, Inconclusive)
    assert "too busy" in result.noise
    assert list(fresh.kernels.iterdir()) == []


@linux
def test_a_macro_bomb_is_stopped_by_the_memory_limit(fresh: Tools, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rustc, "MEMORY_LIMIT_BYTES", 1 << 30)
    source = "macro_rules! b { ($($x:tt)*) => { b!($($x)* $($x)*); } }\nb!(a);\n" + PLAIN
    result = rustc.compile_kernel(source, "unsafe", fresh)
    assert isinstance(result, OutOfMemory | CompileError)


@linux
@pytest.mark.parametrize("reader", ['include_str!("{}")', 'include_bytes!("{}")', 'include!("{}")'])
def test_the_jail_hides_files_from_the_compiler(tmp_path: Path, reader: str) -> None:
    """Without the policy; the control without the jail shows that the leak is real."""
    canary = tmp_path / "canary.rs"
    canary.write_text('"canary-7351"')
    source = (
        f"const CANARY: &str = {reader.format(canary)};\npub fn shown() -> &'static str {{ CANARY }}\n{PLAIN}"
    )
    source = (
        source.replace("CANARY: &str", "CANARY: &[u8]").replace("&'static str", "&'static [u8]")
        if "bytes" in reader
        else source
    )
    jailed = rustc.compile_kernel(source, "unsafe", dataclasses.replace(tools(), kernels=tmp_path / "jailed"))
    assert isinstance(jailed, CompileError)
    assert "7351" not in jailed.diagnostics
    assert "Permission denied" in jailed.diagnostics
    open_tools = dataclasses.replace(tools(), kernels=tmp_path / "open", sandboxed=False)
    assert isinstance(rustc.compile_kernel(source, "unsafe", open_tools), CompiledKernel)


def test_the_compiler_sees_no_environment(monkeypatch: pytest.MonkeyPatch, fresh: Tools) -> None:
    monkeypatch.setenv("ROUNDTABLE_CANARY", "7351")
    source = (
        'pub const X: Option<&str> = option_env!("ROUNDTABLE_CANARY");\npub const Y: &str = env!("HOME");\n'
        + PLAIN
    )
    result = rustc.compile_kernel(source, "unsafe", fresh)
    assert isinstance(result, CompileError)
    assert "`HOME` not defined" in result.diagnostics


def test_a_flood_of_output_is_cut(tmp_path: Path) -> None:
    outcome = limited_process.run(
        ["/bin/sh", "-c", "yes"], tmp_path, {"PATH": "/usr/bin:/bin"}, 20.0, 1 << 16
    )
    assert outcome.flooded
    assert len(outcome.out) == 1 << 16


@linux
def test_a_helper_process_is_limited_in_memory(tmp_path: Path) -> None:
    script = "import time; time.sleep(0.3); x = bytearray(1 << 30); print(len(x))"
    limited = limited_process.run(
        [sys.executable, "-c", script], tmp_path, {}, 20.0, 1 << 16, memory_limit=512 << 20
    )
    assert limited.code == 1
    assert "MemoryError" in limited.log
    assert limited_process.run([sys.executable, "-c", script], tmp_path, {}, 20.0, 1 << 16).code == 0


def test_descendants_end_with_the_group(tmp_path: Path) -> None:
    script = "(sleep 60 & echo $! > pid; sleep 60) & wait"
    outcome = limited_process.run(
        ["/bin/sh", "-c", script], tmp_path, {"PATH": "/usr/bin:/bin"}, 1.5, 1 << 16
    )
    assert outcome.timed_out
    child = int((tmp_path / "pid").read_text())
    for _ in range(100):
        if not _alive(child):
            break
        time.sleep(0.02)
    assert not _alive(child)


def _alive(process: int) -> bool:
    """Running, and not a zombie that waits for init."""
    try:
        return Path(f"/proc/{process}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except FileNotFoundError:
        return False


def test_a_flood_of_warnings_is_reported_as_a_flood(fresh: Tools, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rustc, "OUTPUT_LIMIT_BYTES", 1 << 18)
    source = "".join(f"fn unused_{i}() {{}}\n" for i in range(8000)) + PLAIN
    result = rustc.compile_kernel(source, "unsafe", fresh)
    assert isinstance(result, CompileError)
    assert result.summary.startswith("more errors and warnings than can be read")
    assert "never used" in result.summary
    assert "never used" in result.diagnostics
    assert list(fresh.kernels.iterdir()) == []


def test_text_quoted_by_rustc_cannot_move_the_cursor(fresh: Tools) -> None:
    source = f'compile_error!("\\u{{1b}}[2J\\x07Accepted\\n\\u{{202e}}second\\u{{9b}}31m");\n{PLAIN}'
    for _ in range(2):  # compiled, then from the cache
        result = rustc.compile_kernel(source, "unsafe", fresh)
        assert isinstance(result, CompileError)
        assert result.summary.isprintable()
        assert "Accepted second" in result.summary
        assert result.diagnostics.replace("\n", "").isprintable()
        assert "Accepted\n" in result.diagnostics


@pytest.mark.parametrize("separator", ["\u2028", "\u2029", "\x85", "\x0c", "\x1c"])
def test_a_separator_of_lines_in_the_source_does_not_tear_the_diagnostics(separator: str) -> None:
    """Some Unicode line ends are ordinary characters inside JSON lines."""
    source = PLAIN.replace("sum;", f'summ; let _ = "{separator}";')
    result = rustc.compile_kernel(source, "unsafe", tools())
    assert isinstance(result, CompileError)
    assert "summ" in result.summary


def test_warnings_and_loose_words_are_made_visible() -> None:
    warning = {"level": "warning", "message": "odd \x1b[2J", "spans": [{"file_name": "kernel.rs\x1b"}]}
    said = diagnostics.parse(json.dumps(warning) + "\nld: \x1b[31mtabs\tand \u202e\n", {})
    assert all(line.isprintable() for line in said.warnings)
    assert said.loose == "ld: \\x1b[31mtabs\tand \\u202e"


def test_long_diagnostics_are_trimmed_at_a_line() -> None:
    text = diagnostics.trim("line one\n" * 2000, 100)
    assert text.startswith("line one\nline one\n")
    assert text.splitlines()[-1].startswith("… (")
    assert diagnostics.trim("short", 100) == "short"


def test_output_other_than_diagnostics_is_kept_apart() -> None:
    said = diagnostics.parse('{"a": 1}\nnot json\n{broken\n', {})
    assert (said.summary, said.rendered, said.warnings) == ("", "", ())
    assert "not json" in said.loose
