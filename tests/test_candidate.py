"""The candidate's folder: what is read, what is refused, and the messages."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest
import tomli_w
from hypothesis import given
from hypothesis import strategies as st

from harness.candidate import MAX_SOURCE_BYTES, DeclaredScheme, load, parse_manifest
from harness.errors import CandidateError
from harness.manifest_text import MAX_MANIFEST_BYTES
from harness.saved_timings import Ratio, compare, of_claim
from harness.visible import visible

SCHEME = b"[scheme]\nbase = [2, 2, 2]\nproducts = 7\nlevels = 2\n"


def folder_with(tmp_path: Path, source: bytes | None = b"// kernel", manifest: bytes | None = None) -> Path:
    folder = tmp_path / "some"
    folder.mkdir()
    if source is not None:
        (folder / "kernel.rs").write_bytes(source)
    if manifest is not None:
        (folder / "candidate.toml").write_bytes(manifest)
    return folder


def test_lone_kernel_has_the_defaults_of_the_contract(tmp_path: Path) -> None:
    candidate = load(folder_with(tmp_path))
    manifest = candidate.manifest
    assert (manifest.tier, manifest.threads, manifest.expect, manifest.claim) == (
        "unsafe",
        1,
        "accepted",
        None,
    )
    assert candidate.source == "// kernel"


def test_source_hash_depends_on_the_text_alone(tmp_path: Path) -> None:
    first = load(folder_with(tmp_path))
    (tmp_path / "other").mkdir()
    second = load(folder_with(tmp_path / "other", manifest=b"threads = 'all'"))
    assert first.source_hash == second.source_hash
    (second.folder / "kernel.rs").write_text("// changed")
    assert load(second.folder).source_hash != first.source_hash


@pytest.mark.parametrize(
    ("source", "manifest", "words"),
    [
        (None, b"", "kernel.rs: not there"),
        (b"\xff\xfe", None, "not UTF-8 (byte 0)"),
        (b"/" * (MAX_SOURCE_BYTES + 1), None, "larger than 1 MiB"),
        (b"//", b"threads = [", "not valid TOML"),
        (b"//", b"colour = 'red'", "unknown key 'colour'; allowed: claim,"),
        (b"//", b"[claim]\nspeed = 1\nratio = 1\nratio_low = 1\nratio_high = 1", "unknown key 'claim.speed'"),
        (b"//", b"threads = 7", "threads"),
        (b"//", b"tier = 'holy'", "tier"),
        (b"//", b"operation = 'dgemm'", "operation: Input should be 'matmul' or 'sgemm'"),
        (b"//", b"gate = 'shapes'", "gate is only for"),
        (b"//", b"expect = 'rejected'\ngate = 'heaven'", "gate"),
        (b"//", b"min_ratio = 0", "min_ratio"),
        (b"//", b"min_ratio = nan", "min_ratio"),
        (b"//", b"min_ratio = inf", "min_ratio: Input should be a finite number"),
        (b"//", b"#" * (MAX_MANIFEST_BYTES + 1), "larger than 64 KiB"),
        (b"//", b"generation = " + b"9" * 5000, "an integer beyond 64 bits"),
        (b"//", b"[proposal]\nx = 0x" + b"f" * 17, "an integer beyond 64 bits"),
        (b"//", b"[proposal]\nx = 1979-05-27", "1979-05-27 is a date or a time; write it as text"),
        (b"//", b'"\\u001b[2J" = 1', "unknown key '[2J'"),
        (b"//", b"[claim]\nratio = 2\nratio_low = 3\nratio_high = 4", "ratio_low <= ratio <= ratio_high"),
        (b"//", b"[claim]\nratio = inf\nratio_low = 3\nratio_high = inf", "finite number"),
        (b"//", b"[claim]\nratio = 1\nratio_low = 1e-9\nratio_high = 1", "claim.ratio_low"),
        (b"//", b"claim = 1", "claim: Input should be a valid dictionary"),
        (b"//", b"scheme = '<2,2,2;7>'", "scheme: Input should be a valid dictionary"),
        (b"//", b"[scheme]\nbase = [2, 2, 2]\nproducts = 7", "scheme.levels: Field required"),
        (
            b"//",
            SCHEME + b"rank = 7",
            "unknown key 'scheme.rank'; allowed: base, levels, products",
        ),
        (b"//", SCHEME.replace(b"[2, 2, 2]", b"[2, 2]"), "scheme.base"),
        (b"//", SCHEME.replace(b"[2, 2, 2]", b"[2, 2, 2, 2]"), "scheme.base"),
        (b"//", SCHEME.replace(b"[2, 2, 2]", b"[2, 2, 17]"), "scheme.base.2: Input should be less than"),
        (b"//", SCHEME.replace(b"[2, 2, 2]", b"[2, 2, 2.0]"), "scheme.base.2: Input should be a valid int"),
        (b"//", SCHEME.replace(b"[2, 2, 2]", b"[2, 2, 0]"), "scheme.base.2: Input should be greater than"),
        (b"//", SCHEME.replace(b"[2, 2, 2]", b"[1, 2, 4]"), "base 1x2x4 needs all 8 products"),
        (b"//", SCHEME.replace(b"7", b"true"), "scheme.products: Input should be a valid integer"),
        (b"//", SCHEME.replace(b"7", b"0"), "scheme.products: Input should be greater than"),
        (b"//", SCHEME.replace(b"7", b"8"), "products must be 4 to 7 for base 2x2x2; got 8"),
        (b"//", SCHEME.replace(b"7", b"3"), "products must be 4 to 7 for base 2x2x2; got 3"),
        (b"//", SCHEME.replace(b"levels = 2", b"levels = 0"), "scheme.levels"),
        (b"//", SCHEME.replace(b"levels = 2", b"levels = 9"), "scheme.levels"),
    ],
)
def test_invalid_folders_are_reported_in_one_line(
    tmp_path: Path, source: bytes | None, manifest: bytes | None, words: str
) -> None:
    with pytest.raises(CandidateError) as caught:
        load(folder_with(tmp_path, source, manifest))
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_declared_scheme_is_read_and_written_back() -> None:
    assert parse_manifest("title = 'x'", "candidate.toml").scheme is None
    manifest = parse_manifest(SCHEME.decode(), "candidate.toml")
    assert manifest.scheme == DeclaredScheme(base=(2, 2, 2), products=7, levels=2)
    text = tomli_w.dumps(manifest.model_dump(mode="json", exclude_defaults=True))
    assert parse_manifest(text, "candidate.toml") == manifest


@given(base=st.tuples(*[st.integers(1, 16)] * 3), products=st.integers(-1, 5000), levels=st.integers(-1, 10))
def test_a_scheme_is_read_exactly_when_its_numbers_are_possible(
    base: tuple[int, int, int], products: int, levels: int
) -> None:
    m, k, n = base
    possible = max(m * k, k * n, m * n) <= products < m * k * n and 1 <= levels <= 8
    text = f"[scheme]\nbase = {list(base)}\nproducts = {products}\nlevels = {levels}"
    if possible:
        assert parse_manifest(text, "candidate.toml").scheme is not None
    else:
        with pytest.raises(CandidateError, match="scheme"):
            parse_manifest(text, "candidate.toml")


def test_one_mebibyte_is_still_allowed(tmp_path: Path) -> None:
    assert len(load(folder_with(tmp_path, b"/" * MAX_SOURCE_BYTES)).source) == MAX_SOURCE_BYTES


@pytest.mark.parametrize("name", ["kernel.rs", "candidate.toml"])
def test_links_folders_and_pipes_are_refused(tmp_path: Path, name: str) -> None:
    folder = folder_with(tmp_path, manifest=b"")
    elsewhere = tmp_path / "elsewhere"
    elsewhere.write_text("")
    for make, words in (
        (lambda p: p.symlink_to(elsewhere), "symbolic link"),
        (lambda p: p.symlink_to(tmp_path / "dangling"), "symbolic link"),
        (lambda p: p.mkdir(), "is a folder"),
        (os.mkfifo, "not a regular file"),
    ):
        path = folder / name
        path.unlink()
        make(path)
        with pytest.raises(CandidateError, match=words):
            load(folder)
        path.rmdir() if path.is_dir() and not path.is_symlink() else path.unlink()
        path.write_text("")


HOSTILE_MANIFESTS = {
    "arrays": "proposal = { x = " + "[" * 20_000 + "]" * 20_000 + " }",
    "open arrays": "parents = " + "[" * 60_000,
    "tables": "proposal = " + "{a=" * 10_000 + "1" + "}" * 10_000,
    "a dotted key": "proposal" + ".a" * 32_000 + " = 1",
    "a dotted key with blanks and quotes": "proposal" + " . 'a'" * 10_000 + " = 1",
    "a dotted header": "[proposal" + ".a" * 32_000 + "]",
    "dots and brackets together": "proposal" + ".a" * 25 + " = " + "[" * 25 + "]" * 25,
    "escaped quotes without an end": 'title = "' + '\\"' * 32_000,
}


@pytest.mark.parametrize("name", HOSTILE_MANIFESTS)
def test_a_manifest_cannot_take_long_or_nest_deep(name: str) -> None:
    began_s = time.process_time()
    with pytest.raises(CandidateError) as caught:
        parse_manifest(HOSTILE_MANIFESTS[name], "candidate.toml")
    assert "\n" not in str(caught.value)
    assert time.process_time() - began_s < 2.0


def test_dots_and_brackets_in_strings_and_comments_do_not_count() -> None:
    prose = "a." * 5000 + "[" * 5000
    text = f'title = \'{prose}\'\nmodel = "{prose}"\nrun = """{prose}\n\\""""\n# {prose}\n'
    assert parse_manifest(text, "candidate.toml").title == prose
    schedule = "proposal.schedule.nested.once.more = [[1.5, 2.5], [3.5]]"
    assert parse_manifest(schedule, "candidate.toml").proposal is not None


_ANY_RATIO = st.floats(allow_nan=True, allow_infinity=True) | st.floats(1e-6, 1e6)


@given(
    claimed=st.lists(_ANY_RATIO, min_size=3, max_size=3).map(sorted),
    today=st.lists(st.floats(1e-6, 1e6), min_size=3, max_size=3).map(sorted),
)
def test_every_claim_that_loads_can_be_compared(claimed: list[float], today: list[float]) -> None:
    low, ratio, high = claimed
    try:
        manifest = parse_manifest(f"[claim]\nratio = {ratio}\nratio_low = {low}\nratio_high = {high}", "x")
    except CandidateError:
        return
    assert manifest.claim is not None
    now = Ratio(today[1], today[0], today[2], "m", "t", "b", "s", "1")
    assert compare(now, of_claim(manifest.claim, "1")).change is not None


@pytest.mark.parametrize(
    "name", ["new\nline\x1b[31m", os.fsdecode(b"\xff\xfebytes"), "\u202eabc", "a\x7f", "a\u2028b"]
)
def test_a_folder_name_that_reports_cannot_show_is_refused(tmp_path: Path, name: str) -> None:
    folder = tmp_path / name
    folder.mkdir()
    (folder / "kernel.rs").write_text("// kernel")
    with pytest.raises(CandidateError, match="rename the folder") as caught:
        load(folder)
    assert str(caught.value).isprintable()
    str(caught.value).encode()


@pytest.mark.parametrize("name", ["имя 🦀", "核", "👩\u200d💻", "a b"])
def test_a_folder_may_be_named_in_any_language(tmp_path: Path, name: str) -> None:
    folder = tmp_path / name
    folder.mkdir()
    (folder / "kernel.rs").write_text("// kernel")
    assert load(folder).name == name


@given(st.text(st.characters(exclude_categories=[])))
def test_escaped_text_can_be_printed_and_encoded(text: str) -> None:
    shown = visible(text)
    assert shown.isprintable()
    shown.encode()
    assert (shown == text) == text.isprintable()


@given(st.text())
def test_any_manifest_text_gives_a_manifest_or_one_clear_line(text: str) -> None:
    try:
        parse_manifest(text, "candidate.toml")
    except CandidateError as error:
        assert str(error).startswith("candidate.toml: ")
