"""Messages between machines: what is read is what was written, and nothing else is taken."""

from __future__ import annotations

import json
import shlex
from dataclasses import fields, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, get_args

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness import records, shapes
from harness.candidate import Candidate, Manifest
from harness.clock import suites
from harness.errors import UserError
from harness.fleet import wire
from harness.fleet.fitting import fits, units_of
from harness.fleet.judging import narrowed
from harness.fleet.version import source_digest
from harness.fleet.wire import Conditions, Job, JobStage, WireError, WorkerFacts
from harness.report.page import page
from harness.schedule.render import render
from harness.schedule.space import space
from harness.settings import Settings
from harness.shapes import Shape
from harness.verdict import Accepted, At, Counterexample, Gate, Rejection, Wrong, describe
from harness.visible import misleads
from tests.fleet.fakes import AVX512, facts_of, fine, outcome_of
from tests.report.stories import story_of
from tests.roundtable.support import AVX2, accepted, does_not_compile

CONDITIONS = Conditions.of(Settings(Path(), Path(), Path(), "", suite="64x64x64", seed=7))


def job(stage: JobStage = JobStage.WHOLE) -> Job:
    candidate = Candidate("gen-r1-001", Path(), "// ü", Manifest(generation=1, tier="safe"))
    return Job(
        ticket="t.1",
        candidate=candidate.name,
        source=candidate.source,
        manifest=Job.manifest_of(candidate),
        stage=stage,
        conditions=CONDITIONS,
        attempt=1,
        fingerprint=AVX2.fingerprint,
    )


def changed(message: Any, **fields: Any) -> str:
    return json.dumps(json.loads(wire.write(message)) | fields)


def test_a_job_survives_the_journey() -> None:
    found = wire.read(Job, wire.write(job()))
    assert found == job()
    assert Manifest.model_validate(found.manifest) == Manifest(generation=1, tier="safe")


def test_facts_survive_the_journey_with_their_machine() -> None:
    facts = facts_of(AVX512)
    found = wire.read(WorkerFacts, wire.write(facts))
    assert found == facts
    assert found.of_machine == AVX512


@pytest.mark.parametrize(
    ("verdict", "through"),
    [
        (replace(accepted(1.1), tier="safe"), 7),
        (does_not_compile(), 1),
        (
            Wrong(
                Counterexample("exact", "2 differ", 0, 1, "nan (0x7fc01234)", "1.5"),
                At(Gate.SHAPES, Shape(2, 2, 2), 5),
            ),
            3,
        ),
    ],
)
def test_an_outcome_survives_the_journey(verdict: Any, through: int) -> None:
    sent = outcome_of(job(), verdict, through)
    found = wire.read_outcome(wire.write(sent), job())
    assert found.decoded == verdict
    assert wire.write(found) == wire.write(sent)


def test_a_job_and_an_outcome_of_sgemm_survive_the_journey() -> None:
    """Shapes of sgemm have a layout, also as keys of the levels, and suites of many of them are long."""
    forms = ["48x48x48:nt", "40x48x56:tn+*0.5/41/60/64", "40x48x56:tt*0.125"]
    suite = ",".join([*forms, *(f"{size}x48x56:nt+" for size in range(41, 80))])
    wanted = suites.parse(suite)
    sent = job().model_copy(
        update={
            "manifest": {"operation": "sgemm"},
            "conditions": Conditions.of(Settings(Path(), Path(), Path(), "", suite=suite)),
            "levels": {str(shape): 0 for shape in wanted},
        }
    )
    assert wire.read(Job, wire.write(sent)) == sent
    verdict = accepted(1.1)
    timings = tuple(replace(verdict.score.per_shape[0], shape=shape) for shape in wanted)
    verdict = replace(verdict, score=replace(verdict.score, per_shape=timings))
    outcome = outcome_of(sent, verdict, len(Gate), levels=dict.fromkeys(map(str, wanted), 0))
    found = wire.read_outcome(wire.write(outcome), sent)
    assert found.decoded == verdict
    assert [shapes.read(text) for text in found.levels] == list(wanted)


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"format": 2}, "format"),
        ({"candidate": "../../etc"}, "candidate"),
        ({"ticket": "a b"}, "ticket"),
        ({"path": "/tmp"}, "path"),
        ({"stage": "everything"}, "stage"),
        ({"attempt": 0}, "attempt"),
        ({"fingerprint": "xyz"}, "fingerprint"),
        ({"source": "x" * (1 << 21)}, "source"),
        ({"levels": {"64x64": 1}}, "levels"),
        ({"levels": {"64x64x64": 1000}}, "levels"),
    ],
)
def test_a_job_with_anything_else_in_it_is_refused(fields: dict[str, Any], words: str) -> None:
    with pytest.raises(WireError, match=words):
        wire.read(Job, changed(job(), **fields))


@pytest.mark.parametrize("text", ["", "[]", "{", "null", '{"ticket": NaN}', "[" * 100_000, "x" * (9 << 20)])
def test_what_is_no_message_is_refused(text: str) -> None:
    with pytest.raises(WireError):
        wire.read(Job, text)


def with_score(**fields: Any) -> dict[str, Any]:
    plain = json.loads(wire.write(fine(job())))
    plain["verdict"]["score"] |= fields
    found: dict[str, Any] = plain["verdict"]
    return found


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"ticket": "t.2"}, "instead of t.1"),
        ({"fingerprint": "0123456789ab"}, "instead of"),
        ({"passed": []}, "accepted without having passed every gate"),
        ({"verdict": None}, "no verdict"),
        ({"verdict": {"verdict": "Perfect"}}, "not a verdict"),
        ({"verdict": {"verdict": "Accepted", "score": 1, "tier": "safe"}}, "not a verdict"),
        ({"verdict": with_score(ratio=1e9)}, "no number of a possible size"),
        ({"verdict": with_score(ratio="nan")}, "no number of a possible size"),
        ({"verdict": with_score(ratio_low=2.0, ratio_high=1.5)}, "no number of a possible size"),
        ({"verdict": with_score(per_shape=[])}, "not those of the suite"),
        ({"verdict": with_score(threads=0)}, "threads"),
        ({"seconds": -1}, "seconds"),
        ({"remark": "x"}, "remark"),
    ],
)
def test_an_outcome_that_cannot_be_one_is_refused(fields: dict[str, Any], words: str) -> None:
    with pytest.raises(WireError, match=words):
        wire.read_outcome(changed(fine(job()), **fields), job())


def test_gates_come_in_order() -> None:
    plain = json.loads(wire.write(outcome_of(job(), does_not_compile(), 3)))
    plain["passed"].reverse()
    with pytest.raises(WireError, match="out of order"):
        wire.read_outcome(json.dumps(plain), job())


def test_correctness_alone_is_never_accepted() -> None:
    with pytest.raises(WireError, match="accepted"):
        wire.read_outcome(wire.write(fine(job())), job(JobStage.CORRECTNESS))


@pytest.mark.parametrize(
    ("there", "words"),
    [
        (facts_of(AVX2), None),
        (
            facts_of(AVX2, version="ffffffffffff"),
            "version ffffffffffff of the harness, this session 0123456789ab",
        ),
        (facts_of(AVX2).model_copy(update={"compiler": "rustc 1.2.3"}), "rustc 1.2.3"),
        (facts_of(AVX2, sandboxed=False), "no sandbox"),
    ],
)
def test_a_worker_that_would_judge_otherwise_is_told(there: WorkerFacts, words: str | None) -> None:
    why = there.refusal(facts_of(AVX512))
    assert why is None if words is None else words in str(why)


@pytest.mark.parametrize("cores", [[], [0] * 5000])
def test_a_machine_that_cannot_be_one_is_refused(cores: list[int]) -> None:
    machine = facts_of(AVX2).machine | {"cores": cores}
    with pytest.raises(WireError, match="cores"):
        wire.read(WorkerFacts, changed(facts_of(AVX2), machine=machine))


def test_rendered_kernels_name_the_unit_that_they_are_for() -> None:
    for machine, family, unit in (
        (AVX2, None, "avx2"),
        (AVX512, None, "avx512"),
        (AVX2, "packed", "portable"),
    ):
        lane = space(machine, 1) if family is None else space(machine, 1, family=family)
        source = render(lane.base, "title")
        assert units_of(source) == ({unit} - {"portable"})
        assert fits(source, AVX512)
        assert fits(source, AVX2) == (unit != "avx512")


@pytest.mark.parametrize(
    ("source", "there"),
    [
        ('if is_x86_feature_detected!("avx512f") { _mm512_setzero_ps() }', False),
        ('if is_x86_feature_detected!("avx512f") { _mm512_setzero_ps() } else { _mm256_setzero_ps() }', True),
        ("_mm512_setzero_ps(); _mm256_setzero_ps()", False),
        ("_mm256_setzero_ps() // not _mm512_setzero_ps()", True),
        ("c[0] = a[0] * b[0]", True),
        ("use std::arch::aarch64::*;", False),
    ],
)
def test_a_kernel_fits_where_the_cpu_has_what_it_was_written_for(source: str, there: bool) -> None:
    assert fits(source, AVX2) is there


def test_a_machine_can_offer_itself_as_a_narrower_one_only() -> None:
    assert narrowed(AVX512, "avx2").vector == "avx2"
    assert narrowed(AVX512, "portable").vector == "portable"
    assert narrowed(AVX512, "") is AVX512
    assert narrowed(AVX512, "avx2").fingerprint != AVX512.fingerprint
    with pytest.raises(UserError, match="--vector avx512: this machine has avx2"):
        narrowed(AVX2, "avx512")


def test_the_version_is_that_of_the_sources() -> None:
    assert len(source_digest()) == 12


def rejected(verdict: Any, through: int, **fields: Any) -> str:
    return changed(outcome_of(job(), verdict, through), **fields)


@pytest.mark.parametrize(
    "case",
    [
        "2x2x2:1:exact; touch x",
        "2x2x2:1:exact\n",
        "$(id)",
        "2x2x2:1:exact --collect-only",
        "",
        "2x2x2:1:\x1b[2J",
    ],
)
def test_a_case_that_is_none_never_becomes_part_of_a_command(case: str) -> None:
    wrong = Wrong(Counterexample("exact", "2 differ"), At(Gate.SHAPES, Shape(2, 2, 2), 5))
    assert wire.read_outcome(rejected(wrong, 3, case="65x67x63:1234:wide-mantissa"), job()).case
    with pytest.raises(WireError, match="case"):
        wire.read_outcome(rejected(wrong, 3, case=case), job())


TEXTS = st.text(alphabet=st.one_of(st.characters(), st.sampled_from("\x1b\r\n\u202e\x00\x9b")), max_size=30)
NUMBERS = st.one_of(st.floats(allow_nan=False, allow_infinity=False), st.sampled_from([0.0, -1.0, 1.1]))
st.register_type_strategy(Shape, st.builds(Shape, *[st.integers(-1, 1 << 70)] * 3))


@given(
    verdict=st.sampled_from(get_args(Rejection)).flatmap(
        lambda kind: st.builds(kind, **{"at": st.from_type(At)} | _texts(kind))
    )
)
def test_whatever_a_rejection_says_can_be_shown_and_recorded(verdict: Any) -> None:
    """A worker chooses texts and numbers. The worst that it can do is to be left out."""
    for through in range(len(Gate)):
        try:
            text = wire.write(outcome_of(job(), verdict, through))
            found = wire.read_outcome(text, job())
        except (WireError, ValueError):
            continue
        shown = found.decoded
        assert shown is not None
        line = describe(shown)
        assert not misleads(line.replace("\n", " ").replace("\t", " ")), ascii(line)
        around = records.Circumstances(
            "1", found.numerics, sandboxed=True, target="candidates/k", case=found.case
        )
        candidate = Candidate("k", Path("candidates/k"), "", Manifest())
        assert shlex.split(records.record_of(candidate, shown, around).replay)[:2] == [
            "pytest",
            "candidates/k",
        ]


def _texts(kind: type) -> dict[str, Any]:
    return {field.name: TEXTS for field in fields(kind) if field.type == "str"}


@settings(max_examples=30, deadline=None)
@given(
    numbers=st.dictionaries(
        st.sampled_from(["time_ns", "gflops", "percent_of_peak", "pairs", "error", "ratio", "min_time_ns"]),
        NUMBERS,
    ),
    ceiling=NUMBERS,
)
def test_numbers_that_are_taken_can_be_drawn(numbers: dict[str, float], ceiling: float) -> None:
    """The page takes logarithms and divides; a worker's numbers must not end the session's report."""
    plain = json.loads(wire.write(fine(job())))
    score = plain["verdict"]["score"]
    score["per_shape"] = [one | numbers for one in score["per_shape"]]
    score["ceilings"] = dict.fromkeys(("fma_gflops", "l1_gbps", "l2_gbps", "l3_gbps", "memory_gbps"), ceiling)
    try:
        verdict = wire.read_outcome(changed(fine(job()), verdict=plain["verdict"]), job()).decoded
    except WireError:
        return
    assert isinstance(verdict, Accepted)
    with TemporaryDirectory() as folder:
        assert page(story_of(Path(folder), [verdict], suite="64x64x64"))


def test_the_tier_is_that_of_the_candidate() -> None:
    with pytest.raises(WireError, match="tier"):
        wire.read_outcome(wire.write(outcome_of(job(), replace(accepted(1.1), tier="unsafe"), 7)), job())
