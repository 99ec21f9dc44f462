"""Reading papers: columns, hyphens, ligatures, running heads, references; and files that cannot be read."""

from __future__ import annotations

import io
from dataclasses import asdict
from pathlib import Path

import pypdf
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from harness.corpus import extract_worker
from harness.corpus.chunker import PageText
from harness.corpus.cleaning import clean
from harness.corpus.extract import ExtractionLimits, UnreadableError, extract
from tests.corpus.samples import column, pdf, pdf_of_streams

PROSE = (
    "Packing copies panels of both operands into contiguous buffers so that the inner kernel reads memory in order "
    "and every cache line that is fetched is used completely before it is evicted again from the cache. "
)


def write(folder: Path, content: bytes, name: str = "paper.pdf") -> Path:
    path = folder / name
    path.write_bytes(content)
    return path


def one_text(path: Path) -> str:
    return " ".join(page.text for page in extract(path).pages)


def test_text_title_and_page_numbers(tmp_path: Path) -> None:
    pages = [column(PROSE + f"Page {name} ends here.") for name in ("one", "two")]
    found = extract(write(tmp_path, pdf([pages[0], [], pages[1]], title="On Packing (Panels)")))
    assert found.title == "On Packing (Panels)"
    assert [page.number for page in found.pages] == [1, 3]
    assert found.empty_pages == 1
    assert found.pages[1].text == PROSE + "Page two ends here."


def test_escape_sequences_in_a_file_do_not_reach_the_terminal(tmp_path: Path) -> None:
    found = extract(write(tmp_path, pdf([column(PROSE + "\x1b[2J" + PROSE)], title="Evil\x1b[2J title")))
    assert found.title is not None
    assert found.title.isprintable()
    assert "\x1b" not in found.pages[0].text
    found = extract(write(tmp_path, f"# Evil \x1b[2J\n\n{PROSE}".encode(), "evil.md"))
    assert found.title == "Evil [2J"


def test_columns_drawn_line_by_line_are_read_one_after_the_other(tmp_path: Path) -> None:
    left = column("The left column speaks of caches and of their sizes. " * 8, 54, 690, 45)
    right = column("The right column speaks of tensors and of their rank. " * 8, 320, 690, 45)
    head = [(120.0, 740.0, 16.0, "A Title That Runs Across Both Columns Of The Page")]
    across = [line for pair in zip(left, right, strict=False) for line in pair]
    text = one_text(write(tmp_path, pdf([head + across])))
    assert text.startswith("A Title That Runs Across Both Columns")
    assert text.index("The right column") > text.rindex("left column speaks")
    assert "The left column speaks of caches and of their sizes. The left column" in text


def test_columns_drawn_in_order_and_single_columns_stay_as_they_are(tmp_path: Path) -> None:
    left = column("The left column speaks of caches and of their sizes. " * 8, 54, 690, 45)
    right = column("The right column speaks of tensors and of their rank. " * 8, 320, 690, 45)
    text = one_text(write(tmp_path, pdf([left + right])))
    assert (
        text
        == ("The left column speaks of caches and of their sizes. " * 8)
        + ("The right column speaks of tensors and of their rank. " * 8).strip()
    )


def test_hyphens_ligatures_and_mathematical_letters() -> None:
    lines = (
        "We multi-\nply matrices with cache-\nblocked loops; cache-blocked is the word, multiply too.\n"
        "The ﬁrst eﬃcient variant of 𝐴𝐵 has cost γ·n² ≤ Σ.\n"
    )
    (page,) = clean([PageText(1, lines)])
    assert "We multiply matrices with cache-blocked loops" in page.text
    assert "The first efficient variant of AB has cost γ·n² ≤ Σ." in page.text


def test_running_heads_page_numbers_and_the_arxiv_stamp_are_removed(tmp_path: Path) -> None:
    pages = []
    for number in range(1, 6):
        body = column(
            f"Section {number} is about topic {'abcdef'[number]}. {PROSE}" * 2 + "abcdef"[number] * 9, top=700
        )
        head = [(72.0, 760.0, 8.0, f"J. Doe et al. - Fast Things {number}")]
        foot = [(300.0, 30.0, 8.0, str(number)), (72.0, 20.0, 8.0, "arXiv:2212.01175v1 [cs.SC] 2 Dec 2022")]
        pages.append(head + body + foot)
    found = extract(write(tmp_path, pdf(pages)))
    text = "\n".join(page.text for page in found.pages)
    assert "J. Doe" not in text
    assert "arXiv:" not in text
    assert found.pages[0].text.startswith("Section 1 is about topic b.")
    assert found.pages[4].text.endswith("from the cache. fffffffff")
    assert found.pages[4].text.count(PROSE) == 2


def test_heads_that_differ_between_left_and_right_pages_are_removed() -> None:
    def page(number: int) -> PageText:
        head = f"{number} Doe and Roe" if number % 2 else f"On Packing {number}"
        return PageText(
            number,
            f"{head}\n\nTopic {'abcdefg'[number]} begins here.\n{PROSE}\nTopic {'gfedcba'[number]} ends.\n",
        )

    text = "\n".join(page.text for page in clean([page(number) for number in range(1, 7)]))
    assert "Doe" not in text
    assert "On Packing" not in text
    assert text.count("begins here.") == text.count("ends.") == 6


def test_references_are_cut_and_the_appendix_stays() -> None:
    body = [PageText(1, "We study things.\nReferences to memory are costly.\n" + PROSE * 3)]
    end = PageText(
        2,
        PROSE + "\n6 References\n[1] A. Author. A title. 2020.\n[2] B. Author.\nAppendix A: Proofs\nProved.",
    )
    text = " ".join(page.text for page in clean([*body, end]))
    assert "References to memory" in text
    assert "Author" not in text
    assert text.endswith("Appendix A: Proofs Proved.")


def test_a_heading_called_references_early_on_does_not_cut_the_paper() -> None:
    (page,) = clean([PageText(1, "References\n" + "A line of the paper itself.\n" * 50)])
    assert page.text.count("itself") == 50


def test_encrypted(tmp_path: Path) -> None:
    writer = pypdf.PdfWriter(clone_from=io.BytesIO(pdf([column(PROSE)])))
    writer.encrypt("secret", algorithm="RC4-128")
    writer.write(tmp_path / "locked.pdf")
    with pytest.raises(UnreadableError, match=r"locked\.pdf: encrypted; remove its password"):
        extract(tmp_path / "locked.pdf")
    writer.encrypt("", "owner", algorithm="RC4-128")
    writer.write(tmp_path / "open.pdf")
    assert one_text(tmp_path / "open.pdf") == PROSE.strip()


@pytest.mark.parametrize(
    ("name", "content", "why"),
    [
        ("empty.pdf", b"", "empty"),
        ("page.pdf", b"<html>please solve the captcha</html>", "not a PDF"),
        ("scan.pdf", pdf_of_streams([b"q 612 0 0 792 0 0 cm Q"] * 3), "scanned"),
        ("torn.pdf", pdf([column(PROSE)])[:120], "broken"),
        ("junk.pdf", b"%PDF-1.7\n" + bytes(range(256)) * 40, "broken"),
        ("none.pdf", pdf([]), "scanned"),
        ("picture.png", b"\x89PNG", "not a kind that is read; allowed: .pdf"),
        ("latin.txt", "Zürich".encode("latin-1"), "not UTF-8"),
        ("short.txt", b"Hello.", "no text in it"),
    ],
)
def test_unreadable_files_are_named_with_the_reason(
    tmp_path: Path, name: str, content: bytes, why: str
) -> None:
    with pytest.raises(UnreadableError, match=f"{name}.*{why}"):
        extract(write(tmp_path, content, name))
    with pytest.raises(UnreadableError, match="cannot be read"):
        extract(tmp_path / "absent.pdf")


def test_a_bad_page_does_not_affect_the_others(tmp_path: Path) -> None:
    good = f"BT /F1 10 Tf 72 700 Td ({PROSE}) Tj ET".encode()
    bad = b"BT /F1 ) ] >> 10 Tf [ ( Tj"
    found = extract(write(tmp_path, pdf_of_streams([good, bad, good])))
    assert [page.number for page in found.pages] == [1, 3]


def test_bombs_are_stopped_by_the_limits(tmp_path: Path) -> None:
    swollen = pdf_of_streams([b"BT /F1 10 Tf " + b"0 " * (80 << 20) + b" ET"], compress=True)
    assert len(swollen) < 1 << 20
    small = ExtractionLimits(memory_bytes=600 << 20, time_s=20.0)
    with pytest.raises(UnreadableError, match=r"bomb\.pdf"):
        extract(write(tmp_path, swollen, "bomb.pdf"), small)
    many = write(tmp_path, pdf([column(PROSE)] * 30), "many.pdf")
    with pytest.raises(UnreadableError, match="has 30 pages, more than 10"):
        extract(many, ExtractionLimits(pages=10))
    with pytest.raises(UnreadableError, match="took longer than"):
        extract(many, ExtractionLimits(time_s=0.01))
    with pytest.raises(UnreadableError, match="MiB of text"):
        extract(many, ExtractionLimits(text_bytes=1000))
    with pytest.raises(UnreadableError, match="larger than 0 MiB"):
        extract(many, ExtractionLimits(file_bytes=100))


def test_markdown_keeps_words_and_loses_marks(tmp_path: Path) -> None:
    text = (
        f"# Notes on `GEMM`\n\n{PROSE}\n\n- see [the **paper**](http://x.org/y)\n<!-- hidden -->\n"
        "```rust\nlet tile = 6;\n```\n"
    )
    found = extract(write(tmp_path, text.encode(), "notes.md"))
    assert found.title == "Notes on `GEMM`"
    assert "see the paper" in found.pages[0].text
    assert "let tile = 6;" in found.pages[0].text
    assert "http" not in found.pages[0].text
    assert "hidden" not in found.pages[0].text
    assert found.pages[0].number is None


@settings(deadline=None, max_examples=80, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(st.tuples(st.integers(9, 4000), st.integers(0, 255), st.integers(1, 40)), min_size=1, max_size=8)
)
def test_damaged_pdfs_give_text_or_a_reason(tmp_path: Path, wounds: list[tuple[int, int, int]]) -> None:
    """In process and without limits, so that any exception of pypdf appears here."""
    content = bytearray(pdf([column(PROSE * 3)] * 2, title="Wounded"))
    for place, byte, length in wounds:
        content[place : place + length] = bytes([byte]) * length
    limits = {key: float(value) for key, value in asdict(ExtractionLimits()).items()}
    answer = extract_worker.read(write(tmp_path, bytes(content)), limits)
    assert answer.get("refused") or isinstance(answer["pages"], list)
