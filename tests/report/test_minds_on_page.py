"""What the page shows of models and papers: conversations, what each mind took, cited lessons; charts as pictures."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import pytest

from harness.corpus import manifest
from harness.minds.protocol import Answer, Question
from harness.report import __main__ as command
from harness.report.page import page
from harness.report.picture import picture
from harness.report.run_story import RunStory, read_story
from harness.roundtable.conversation.messages import Coded, GroupChatMessage, NotCoded, ProposalSlot, Role
from harness.roundtable.runlog.journal import TRANSCRIPT, Journal
from harness.roundtable.runlog.transcript import Transcript, key, read_answers
from tests.report.stories import HEAD, REJECTIONS, RUN, accepted, forty, story_of, write_run
from tests.report.test_page import HOSTILE, Parsed


def say(transcript: Transcript, where: str, prompt: str, answer: str, model: str = "small") -> None:
    question = Question(
        system="You are an agent.", user=prompt, seed=1, max_tokens=9, schema=None, limit_s=None
    )
    told = Answer(text=answer, prompt_tokens=100, answer_tokens=20, finish="stop", duration_s=1.5)
    transcript.record_answer(where, question, told, model, "hash", [])


def spoken(results: Path, kernels: int, prompt: str = "a prompt", answer: str = "an answer") -> RunStory:
    folder = write_run(results, [accepted(1 + 0.1 * n) for n in range(kernels)])
    transcript = Transcript(folder / TRANSCRIPT, RUN)
    for number in range(1, kernels + 1):
        turn = ProposalSlot(generation=number, slot=0)
        say(transcript, key("proposer", turn, 0), prompt, f"{answer} {number}")
    transcript.close()
    return read_story([folder], results, results / "candidates")


def test_a_kernel_shows_the_prompts_and_answers_that_led_to_it_and_each_mind_what_it_took(
    tmp_path: Path,
) -> None:
    text = page(spoken(tmp_path, 2))
    first = text.partition('id="k1-')[2].partition('id="k2-')[0]
    assert "Conversation with the models" in first
    assert "an answer 1" in first
    assert "an answer 2" not in first
    assert "a prompt" in first
    minds = text.partition('id="minds"')[2].partition("</section>")[0]
    cells = "<td>proposer</td><td>small</td><td>2</td><td>200</td><td>40</td><td>3.0</td>"
    assert cells in minds
    assert minds.count("You are an agent.") == 1, "instructions are shown once"
    assert 'id="minds"' not in page(story_of(tmp_path / "tuner", [accepted(1.0)]))


def test_answers_belong_to_the_kernel_that_they_wrote_or_repaired(tmp_path: Path) -> None:
    folder, turn = tmp_path / RUN, ProposalSlot(generation=1, slot=0)
    journal, transcript = Journal(folder), Transcript(folder / TRANSCRIPT, RUN)
    journal.begin(HEAD)
    for where in ("proposer", "coder"):
        for attempt in range(3):
            say(transcript, key(where, turn, attempt), "p", f"{where} {attempt}")
    say(transcript, key("proposer", ProposalSlot(generation=2, slot=0), 0), "p", "lost")
    for event in (
        NotCoded(reasons=["none"]),
        Coded(candidate="a", source="", manifest={}, how="whole file"),
        Coded(candidate="b", source="", manifest={}, how="whole file"),
    ):
        journal.record(GroupChatMessage(sender=Role.CODER, turn=turn, content=event), 0, 1.0)
    journal.close()
    transcript.close()
    story = read_story([folder], tmp_path, tmp_path)
    first, second = ([one.answer for one in kernel.answers] for kernel in story.kernels)
    assert first == ["proposer 0", "proposer 1", "proposer 2", "coder 0", "coder 1"]
    assert second == ["coder 2"]
    text = page(story)
    assert "Answers without a kernel: 1" in text
    assert "lost" in text.partition('id="loose-answers"')[2]


@pytest.mark.parametrize("text", HOSTILE)
def test_text_of_models_is_shown_and_never_run(text: str, tmp_path: Path) -> None:
    parsed = Parsed(page(spoken(tmp_path, 2, text, text)))
    plain = Parsed(page(spoken(tmp_path / "plain", 2)))
    assert [name for name, _ in parsed.elements] == [name for name, _ in plain.elements]
    assert not parsed.misnested


def test_long_conversations_keep_the_page_small(tmp_path: Path) -> None:
    text = page(spoken(tmp_path, 30, "let x = 1; <&>\n" * 2000, "fn main() {}\n" * 500))
    assert len(text.encode()) < 1_000_000
    assert "Prompts are left out to keep this page small" in text
    assert "an answer" not in text
    everything = page(spoken(tmp_path / "all", 60, "p" * 30_000, "a" * 30_000))
    assert "left out to keep this page small" in everything
    assert len(everything.encode()) < 1_200_000


def test_a_transcript_that_is_torn_or_of_another_version_shows_what_it_has(tmp_path: Path) -> None:
    assert read_answers(tmp_path / "none.jsonl") == []
    spoken(tmp_path, 2)
    path = tmp_path / RUN / TRANSCRIPT
    good = path.read_text()
    path.write_text(
        good + '{"what": "answer", "key": "proposer g1 s0 a0"}\n{"what": "answer", "key": 3}\n{"wh'
    )
    assert len(read_answers(path)) == 2


def test_cited_papers_are_there_with_their_lessons(tmp_path: Path) -> None:
    paper = manifest.read()[0]
    text = page(story_of(tmp_path, [accepted(1.0), accepted(1.1)], title=paper.id))
    assert text.count(f'<a href="#paper-0">{paper.id}</a>') == 2
    section = text.partition('id="papers"')[2]
    assert section.count("<li>") == len(paper.lessons)
    assert 'id="papers"' not in page(story_of(tmp_path / "other", [accepted(1.0)], title="doi:10.1/own"))


def test_every_details_of_a_page_has_an_id_of_its_own(tmp_path: Path) -> None:
    write_run(tmp_path, [accepted(0.9)], run="old")
    story = spoken(tmp_path, 3)
    parsed = Parsed(
        page(story) + page(story_of(tmp_path / "more", [*REJECTIONS])).replace('id="', 'id="more-')
    )
    ids = [attributes.get("id") for name, attributes in parsed.elements if name == "details"]
    assert None not in ids
    assert len(set(ids)) == len(ids)


def test_the_chart_is_a_picture_of_its_own_in_light_and_dark(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text = picture(story_of(tmp_path, forty(), title="<script>&"))
    root = ElementTree.fromstring(text)
    name = "{http://www.w3.org/2000/svg}"
    assert root.tag == f"{name}svg"
    assert [child.tag for child in root][:4] == [f"{name}{one}" for one in ("title", "desc", "style", "rect")]
    assert "prefers-color-scheme: dark" in text
    assert not re.search(r"<script|<image|href|url\(|@import|https?:(?!//www\.w3\.org/2000/svg\")", text)
    assert len([one for one in root.iter(f"{name}g") if "mark" in (one.get("class") or "")]) == 40
    output = tmp_path / "pictures" / "progress.svg"
    assert command.main([RUN, "--results", str(tmp_path), "--picture", str(output)]) == 0
    assert ElementTree.parse(output).getroot().tag == f"{name}svg"
    assert not (tmp_path / "report.html").exists()
    assert "progress.svg" in capsys.readouterr().out
