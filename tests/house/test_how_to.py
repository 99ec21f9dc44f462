"""docs/how-to.md names every file that knows an existing member, and docs/architecture.md's answers exist."""

from __future__ import annotations

import re

import pytest

from tests.conftest import ROOT
from tests.house.tree import pages, source_files

HOW_TO = (ROOT / "docs" / "how-to.md").read_text(encoding="utf-8")
ARCHITECTURE = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")

# Section of the page: a pattern that finds an existing member, and files where a match means something else.
MEMBERS = {
    "An oracle": (r"zero[-_]rows", ()),
    "An operation": (r"\bSGEMM\b", ()),
    "A family of kernels": (r'"blocked"', ("tests/judge/rust_kernels.py", "tests/judge/mutation.py")),
    "A mind": (r"ServerMind", ()),
    "An agent": (r'VerifierAgent|VERIFIER|VerifyRequest|"verifier"', ()),
    "A view of the page": (r"import heat_map|heat_map\(", ()),
    "A checkup of the doctor": (r"_embedders\(|\"embedders\"", ()),
    "An option": (r'\.repairs|"repairs"|repairs[:=]|--repairs', ()),
}


def section(title: str) -> str:
    found = re.search(rf"^## {re.escape(title)}$(.*?)(?=^## |\Z)", HOW_TO, re.MULTILINE | re.DOTALL)
    assert found is not None, f"docs/how-to.md has no section '{title}'"
    return found[1]


@pytest.mark.parametrize("title", MEMBERS)
def test_the_page_names_every_file_that_knows_an_existing_member(title: str) -> None:
    pattern, elsewhere = MEMBERS[title]
    skipped = {"docs/how-to.md", "docs/architecture.md", "docs/glossary.md", *elsewhere}
    knowing = [
        str(path.relative_to(ROOT))
        for path in [*source_files(".py", ".j2", ".rs"), *pages()]
        if not path.is_relative_to(ROOT / "tests" / "house")
        and re.search(pattern, path.read_text(encoding="utf-8"))
    ]
    missing = [name for name in knowing if name not in skipped and name not in section(title)]
    assert knowing, f"the pattern for '{title}' finds nothing any more"
    assert not missing, f"not named in '{title}': {missing}"


@pytest.mark.parametrize("title", MEMBERS)
def test_every_file_that_the_page_names_exists(title: str) -> None:
    named = re.findall(r"`((?:harness|tests|docs)/[\w./-]+)`", section(title))
    assert named
    assert [name for name in named if not (ROOT / name).exists()] == []


ANSWERS = re.findall(r"^\| (Wh[^|]*|How[^|]*) \| ([^|]*) \|$", ARCHITECTURE, re.MULTILINE)


def test_the_newcomers_questions_are_there() -> None:
    assert len(ANSWERS) >= 10


@pytest.mark.parametrize(("question", "answer"), ANSWERS)
def test_an_answer_names_a_file_and_what_is_in_it(question: str, answer: str) -> None:
    named = re.findall(r"`([^`]+)`", answer)
    files = [ROOT / name for name in named if "/" in name]
    assert files, f"{question}: no file is named"
    text = "".join(
        path.read_text(encoding="utf-8") if path.is_file() else "".join(p.name for p in path.iterdir())
        for path in files
    )
    for name in named:
        for part in re.findall(r"\w[\w-]*", name) if "/" not in name else ():
            assert part in text, f"{question}: {part} is in none of {[str(f) for f in files]}"
