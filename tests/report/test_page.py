"""The page of a run, parsed: marks, escaping, its Content-Security-Policy, size."""

from __future__ import annotations

import base64
import hashlib
import re
import xml.etree.ElementTree as ElementTree
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import pytest

from harness.errors import UserError
from harness.report import __main__ as command
from harness.report.axes import Scale
from harness.report.findings import findings
from harness.report.heat_map import shade
from harness.report.history import comparable
from harness.report.markup import anchor, tag
from harness.report.page import page, script
from harness.report.progress_chart import apparent_ratio
from harness.report.run_story import read_story
from harness.roundtable.conversation.messages import Screened
from harness.verdict import Accepted, At, Cheat, CompileError, Gate, Panic, PolicyViolation, Verdict
from tests.report.stories import REJECTIONS, accepted, forty, story_of, write_run

HOSTILE = (
    "</script><script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    '" onmouseover="alert(1)" x="',
    "' autofocus onfocus='alert(1)",
    "javascript:alert(1)",
    "</code></pre></details></main><base href=//evil.example>",
    "<!--",
    "]]><svg/onload=alert(1)>",
    "&lt;script&gt; &amp;",
    "<style>*{display:none}</style><link rel=stylesheet href=http://evil.example>",
    "<meta http-equiv=refresh content=0;url=http://evil.example>",
    "\x1b[2J\u202eaccepted\x00\x07\u2028",
    "{{7*7}} ${7*7} %s {0}",
)


class Parsed(HTMLParser):
    """What a browser would make of the page: elements with attributes, text, and open elements at the end."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[str] = []
        self.open: list[str] = []
        self.misnested: list[str] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, element: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((element, dict(attrs)))
        if element not in ("meta", "br", "link"):
            self.open.append(element)

    def handle_endtag(self, element: str) -> None:
        if not self.open or self.open.pop() != element:
            self.misnested.append(element)

    def handle_data(self, data: str) -> None:
        self.texts.append(data)

    def named(self, element: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.elements if name == element]


def hostile_verdicts(text: str) -> list[Verdict | None]:
    at = At(Gate.SHAPES)
    return [
        CompileError(text, text),
        Panic(text, at),
        Cheat(text, text, at),
        PolicyViolation(text, text),
        replace(accepted(1.1), score=replace(accepted(1.1).score, baseline=text)),
        None,
    ]


@pytest.mark.parametrize("text", HOSTILE)
def test_text_of_candidates_and_models_is_shown_and_never_run(text: str, tmp_path: Path) -> None:
    story = story_of(tmp_path, hostile_verdicts(text), title=text, source=text, machine=text, ended=text)
    story = replace(
        story, kernels=tuple(replace(k, name=text, replay=text) for k in story.kernels), ended=text
    )
    parsed = Parsed(page(story))
    plain = page(story_of(tmp_path / "plain", hostile_verdicts("plain"), title="plain", source="plain"))
    assert {name for name, _ in parsed.elements} <= {name for name, _ in Parsed(plain).elements}
    assert (len(parsed.named("script")), len(parsed.named("style"))) == (1, 1)
    assert not parsed.misnested
    assert not parsed.open
    ids = {attributes["id"] for _, attributes in parsed.elements if "id" in attributes}
    for name, attributes in parsed.elements:
        assert not [
            key for key in attributes if key.startswith("on") or key in ("src", "style", "action", "srcdoc")
        ]
        assert name != "a" or (attributes["href"] or "").removeprefix("#") in ids, attributes
        assert name == "a" or "href" not in attributes
    shown = "".join(parsed.texts)
    assert not re.search(r"[\x00-\x08\x0b-\x1f\x7f\u202a-\u202e\u2028]", shown)
    assert " ".join(text.split()) in " ".join(shown.split()) or not text.isprintable()


def test_the_policy_allows_this_style_and_this_script_only(tmp_path: Path) -> None:
    text = page(story_of(tmp_path, [accepted(1.1)]))
    (policy,) = [m["content"] for m in Parsed(text).named("meta") if m.get("http-equiv")]
    assert policy is not None
    rules = dict(rule.strip().split(" ", 1) for rule in policy.split(";"))
    assert rules["default-src"] == "'none'"
    assert not re.search("unsafe|http|data:|\\*", policy)
    for element in ("style", "script"):
        (inside,) = re.findall(rf"<{element}>(.*?)</{element}>", text, re.DOTALL)
        digest = base64.b64encode(hashlib.sha256(inside.encode()).digest()).decode()
        assert rules[f"{element}-src"] == f"'sha256-{digest}'"
    assert text.index("Content-Security-Policy") < text.index("<style>")
    assert not re.search(r"innerHTML|insertAdjacentHTML|document\.write|eval|Function\(|https?:", script())


def test_every_chart_has_as_many_marks_as_kernels_a_title_and_a_table(tmp_path: Path) -> None:
    text = page(story_of(tmp_path, forty()))
    for figure in ("progress", "bars", "genealogy"):
        section = text.partition(f'id="{figure}"')[2].partition("</section>")[0]
        assert len(re.findall(r'<g class="mark', section)) == 40, figure
        assert section.count("<tr>") == 41
        assert re.search(r"<h2>[^<]{20,}", section)
        svg = re.search(r"<svg.*?</svg>", section, re.DOTALL)
        assert svg is not None
        ElementTree.fromstring(svg[0])
    assert len(re.findall(r'<details class="kernel"', text)) == 40
    parsed = Parsed(text)
    assert len(parsed.named("main")) == 1
    assert {"name": "viewport", "content": "width=device-width, initial-scale=1"} in parsed.named("meta")


def test_forty_kernels_of_the_usual_size_are_at_most_two_megabytes(tmp_path: Path) -> None:
    usual = "    let sum = _mm256_fmadd_ps(a, b, sum); // <&>\n" * 600
    text = page(story_of(tmp_path, forty(), source=usual))
    assert 1_000_000 < len(text.encode()) < 2_000_000
    huge = page(story_of(tmp_path / "huge", forty(), source=usual * 8))
    assert len(huge.encode()) < 2_000_000
    assert "left out to keep this page small" in huge


def test_forty_kernels_of_six_schedules_each_with_every_knob_varied_stay_small(tmp_path: Path) -> None:
    usual = "    let sum = _mm256_fmadd_ps(a, b, sum); // <&>\n" * 600
    story = story_of(tmp_path, forty(), source=usual)
    names = (
        "kc",
        "mc",
        "nc",
        "unroll",
        "resident",
        "pack_a",
        "pack_b",
        "prefetch_a",
        "prefetch_b",
        "direct_edge",
    )

    def schedule(number: int) -> dict[str, int | str]:
        return {"family": "unknown"} | {name: (number + place) % 7 for place, name in enumerate(names)}

    kernels = tuple(
        replace(one, proposal={"schedule": schedule(one.number)}, how="template") for one in story.kernels
    )
    brief = tuple(Screened(schedule=schedule(number), ratio=0.9 + number / 2000) for number in range(200))
    whole = replace(story, kernels=kernels, screened=brief)
    text = page(whole)
    assert len(text.encode()) < 2_000_000
    panels = text.partition('id="schedule-map"')[2].partition("</section>")[0]
    assert panels.count("<svg") == len(names)
    assert len(re.findall(r"M\d+ \d+h0", panels)) == 200 * len(names)
    assert panels.count('<g class="mark') == 40 * len(names)


def test_an_impossible_result_is_struck_through_with_its_gate(tmp_path: Path) -> None:
    story = story_of(tmp_path, [accepted(1.1), REJECTIONS[0]])
    seemed = apparent_ratio(story.kernels[1], story)
    assert seemed is not None
    assert seemed > 100
    bars = page(story).partition('id="bars"')[2].partition("</section>")[0]
    assert 'class="strike"' in bars
    assert "TooFast (clock): seemed" in bars


def test_the_first_screen_says_what_how_sure_how_far_and_what_next(tmp_path: Path) -> None:
    found = findings(story_of(tmp_path, [accepted(1.1), accepted(1.105), *REJECTIONS]))
    assert found.found.startswith("The fastest kernel is gen-60j0f1-002: 1.105 times as fast as OpenBLAS")
    assert "[1.094, 1.116]" in found.sure
    assert "faster than BLAS here, beyond noise" in found.sure
    assert "gen-60j0f1-001 cannot be told from it" in found.sure
    assert "78 % of this machine's measured FMA peak" in found.limit
    commands = [step.command for step in found.steps]
    assert "pytest candidates/gen-60j0f1-002 --against gen-60j0f1-001" in commands
    assert commands[-1] == "pytest --generate 8"
    chosen = story_of(
        tmp_path / "model", [accepted(1.1)], models={"*": "a b.gguf", "coder": "builtin"}, suite="square"
    )
    assert findings(chosen).steps[-1].command == "pytest --generate 8 --model 'a b.gguf' --suite square"
    level = findings(story_of(tmp_path / "level", [accepted(1.0)]))
    assert "cannot be told from BLAS" in level.sure
    none = findings(story_of(tmp_path / "none", [REJECTIONS[1]]))
    assert none.found.startswith("No kernel was accepted")
    assert none.steps[0].command == "pytest candidates/gen-60j0f1-001 --case known"


def test_an_empty_or_interrupted_run_has_a_page(tmp_path: Path) -> None:
    folder = write_run(tmp_path, [])
    journal = folder / "journal.jsonl"
    journal.write_text(journal.read_text().splitlines()[0] + "\n")
    story = read_story([folder], tmp_path, tmp_path)
    assert "No kernel was judged yet" in page(story)
    assert "--resume" in page(story)


def test_a_replay_command_is_that_of_the_very_verdict(tmp_path: Path) -> None:
    folder = write_run(tmp_path, [REJECTIONS[1], REJECTIONS[3]])
    (lines,) = (tmp_path / "records").iterdir()
    judged_again = lines.read_text().replace("index out of bounds", "something else")
    lines.write_text(judged_again)
    first, second = read_story([folder], tmp_path, tmp_path).kernels
    assert first.replay == "pytest candidates/gen-60j0f1-001 --case known"
    assert second.replay == "pytest candidates/gen-60j0f1-002 --seed 3"


def test_runs_of_other_conditions_never_share_a_page(tmp_path: Path) -> None:
    folders = [
        write_run(tmp_path, [accepted(1.0)], run=run, suite=suite) for run, suite in (("a", "x"), ("b", "y"))
    ]
    with pytest.raises(UserError, match="differ in machine, toolchain, operation or suite"):
        read_story(folders, tmp_path, tmp_path)
    same = [write_run(tmp_path, [accepted(1.0)], run=run) for run in ("c", "d")]
    story = read_story(same, tmp_path, tmp_path)
    assert [kernel.number for kernel in story.kernels] == [1, 2]
    assert [head.run_id for head in story.heads] == ["c", "d"]


def test_the_history_has_comparable_records_only(tmp_path: Path) -> None:
    write_run(tmp_path, [accepted(0.9)], run="old")
    write_run(tmp_path, [accepted(0.8)], run="other", suite="square")
    story = story_of(tmp_path, [accepted(1.1), REJECTIONS[0]])
    found, left_out = comparable(story)
    assert ([record["ratio_to_blas"] for record in found], left_out) == ([0.9, 1.1], 1)
    assert "1 verdicts under other conditions are left out" in page(story)
    assert 'id="history"' not in page(story_of(tmp_path / "alone", [accepted(1.1)]))


def test_the_fastest_kernels_of_other_machines_stand_apart(tmp_path: Path) -> None:
    assert 'id="machines"' not in page(story_of(tmp_path / "alone", [accepted(1.1)]))
    write_run(tmp_path, [accepted(1.3), accepted(1.2)], run="there", fingerprint="fedcba987654")
    write_run(tmp_path, [accepted(1.9)], run="suite", fingerprint="fedcba987654", suite="square")
    text = page(story_of(tmp_path, [accepted(1.1)]))
    machines = text.partition('id="machines"')[2].partition("</section>")[0]
    assert "gen-there-001" in machines
    assert machines.count("<tr>") == 2
    assert "gen-there-001" not in text.partition('id="progress"')[2].partition("</section>")[0]


def test_each_model_that_proposes_has_its_own_line_of_the_best_so_far(tmp_path: Path) -> None:
    alone = page(story_of(tmp_path / "alone", [accepted(1.0), accepted(1.1)]))
    alone = alone.partition('id="progress"')[2].partition("</section>")[0]
    assert alone.count('class="best"') == 1
    assert 'class="best second"' not in alone
    story = story_of(tmp_path, [accepted(1.0), accepted(1.1), accepted(1.05)])
    models = ("builtin", "models/<b>.gguf", "builtin")
    story = replace(
        story, kernels=tuple(replace(k, model=m) for k, m in zip(story.kernels, models, strict=True))
    )
    chart = page(story).partition('id="progress"')[2].partition("</section>")[0]
    assert (chart.count('class="best"'), chart.count('class="best second"')) == (1, 1)
    assert "&lt;b&gt;.gguf</text>" in chart


def test_a_kernel_shows_the_difference_from_its_parent_also_of_an_earlier_run(tmp_path: Path) -> None:
    text = page(story_of(tmp_path, [accepted(1.0), accepted(1.1)]))
    assert '<span class="del">-// 1\n</span><span class="ins">+// 2\n</span>' in text
    parents = tmp_path / "candidates" / "run9"
    parents.mkdir(parents=True)
    (parents / "kernel.rs").write_text("pub fn older() {}\n")
    (parents / "candidate.toml").write_text("")
    for name, seen in (("run9", True), ("../candidates/run9", False), ("..", False)):
        folder = write_run(tmp_path, [accepted(1.0)], run="60zzzz")
        journal = folder / "journal.jsonl"
        journal.write_text(journal.read_text().replace('"parents": []', f'"parents": ["{name}"]'))
        story = read_story([folder], tmp_path, tmp_path / "candidates")
        assert bool(story.kernels[0].parent_sources) is seen
        journal.unlink()


def test_a_fast_scheme_tells_where_it_begins_and_its_error_beside_that_of_blas(tmp_path: Path) -> None:
    schedule = {"family": "bilinear", "bilinear": {"scheme": "strassen", "levels": 2, "cutoff": 768}}
    text = page(story_of(tmp_path, [accepted(1.1)], schedule=schedule))
    assert (
        "<dt>fast scheme</dt><dd>strassen, at most 2 level(s), where every extent is at least 768; " in text
    )
    assert "relative error at 1024x1024x1024 3.1e-07, BLAS 1.9e-07</dd>" in text
    assert "<dt>fast scheme</dt>" not in page(story_of(tmp_path / "classical", [accepted(1.1)]))


def test_the_command_writes_the_page_of_the_newest_run_or_of_those_that_are_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert command.main(["--results", str(tmp_path)]) == 2
    assert "start one with: pytest --generate 4" in capsys.readouterr().err
    write_run(tmp_path, [accepted(1.0)], run="60aaaa")
    assert command.main(["--results", str(tmp_path)]) == 0
    assert "round table: 60aaaa" in (tmp_path / "report.html").read_text()
    output = tmp_path / "elsewhere" / "one.html"
    assert command.main(["60aaaa", "--results", str(tmp_path), "--output", str(output)]) == 0
    assert output.is_file()
    assert command.main(["60bbbb", "--results", str(tmp_path)]) == 2
    assert "60bbbb: no such run" in capsys.readouterr().err


def test_a_journal_of_another_version_is_one_line(tmp_path: Path) -> None:
    folder = write_run(tmp_path, [accepted(1.0)])
    journal = folder / "journal.jsonl"
    journal.write_text(journal.read_text().replace('"verdict": "Accepted"', '"verdict": "Applauded"'))
    with pytest.raises(UserError, match="not of this version"):
        read_story([folder], tmp_path, tmp_path)


@pytest.mark.parametrize(("low", "high"), [(0.0, 1.2), (0.93, 1.07), (1.0, 1.0), (0.0, 450.0)])
def test_ticks_are_round_and_inside(low: float, high: float) -> None:
    scale = Scale(low, high, 100.0, 0.0)
    ticks = scale.ticks()
    assert 1 <= len(ticks) <= 11
    assert all(low <= tick <= high and 0 <= scale.at(tick) <= 100 for tick in ticks)


def test_small_parts() -> None:
    assert tag("p", "<b>", class_="a'b\"") == '<p class="a&#x27;b&quot;">&lt;b&gt;</p>'
    assert re.fullmatch(r"k3-[A-Za-z0-9-]*", anchor(3, "<a b>'\"/ü"))
    assert [shade(ratio) for ratio in (0.1, 1.0, 9.0)] == [0, 3, 6]
    assert isinstance(accepted(1.0), Accepted)
