"""From files to passages in the library: incremental, whole documents only, by the command line as for users."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from harness.corpus import ingest, manifest
from harness.corpus.__main__ import main
from harness.corpus.chunker import Splitting
from harness.corpus.papers import Chunk, PaperLibrary, open_library
from harness.errors import UserError
from harness.store.collection import StoredRow
from harness.store.connection import connect
from harness.store.embedders import HashedEmbedder
from tests.conftest import ROOT
from tests.corpus.samples import column, pdf, pdf_of_streams

MANIFEST = """
[[paper]]
id = "arXiv:2212.01175"
title = "Flip Graphs"
authors = ["M. Kauers"]
year = 2022
topic = "fast-algorithms"
licence = "unknown"
lessons = ["Random walks over rewrites of rank-one terms find schemes with fewer products."]

[[paper]]
id = "doi:10.1145/3458817.3476166"
title = "CAKE"
authors = ["H. T. Kung"]
year = 2021
topic = "cpu-gemm"
licence = "unknown"
lessons = ["Blocks shaped for constant bandwidth keep the memory bus from limiting the cores."]
"""
PROSE = (
    "Zebra stripes of the packed panel are streamed through the second cache level while the tile stays put. "
)


@pytest.fixture
def corpus(tmp_path: Path) -> Path:
    folder = tmp_path / "corpus"
    folder.mkdir()
    (folder / "papers.toml").write_text(MANIFEST)
    return folder


def run(corpus: Path, *arguments: str) -> int:
    store = (
        ["--memory", str(corpus.parent / "memory")] if arguments[0] in ("ingest", "search", "status") else []
    )
    return main([arguments[0], "--corpus", str(corpus), *store, *arguments[1:]])


def test_add_ingest_search_status(corpus: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    mine = tmp_path / "mine"
    (mine / "deep").mkdir(parents=True)
    (mine / "2212.01175v2.pdf").write_bytes(pdf([column("Flip graph walks. " * 30), column(PROSE * 5)]))
    (mine / "10.1145_3458817.3476166.pdf").write_bytes(pdf([column("Constant bandwidth blocks. " * 30)]))
    (mine / "deep" / "notes.md").write_text("# My notes\n\n" + "Prefetch two lines ahead of the walrus. " * 8)
    (mine / "scan.pdf").write_bytes(pdf_of_streams([b"q Q"]))
    (mine / "picture.png").write_bytes(b"png")
    assert run(corpus, "add", str(mine)) == 0
    assert sorted(path.name for path in (corpus / "pdf").glob("*.pdf")) == [
        "arXiv_2212.01175.pdf",
        "doi_10.1145_3458817.3476166.pdf",
    ]
    assert (corpus / "own" / ".gitignore").read_text() == "*\n"
    assert run(corpus, "status") == 0
    assert "file, not ingested" in capsys.readouterr().out
    assert run(corpus, "ingest") == 0
    told = capsys.readouterr().out
    assert "3 stored" in told
    assert "skipped: " in told
    assert "scan.pdf: no text in it" in told
    assert told.startswith("embeddings: hashed n-grams, offline")
    assert run(corpus, "search", "zebra stripes of the panel", "-k", "2") == 0
    found = capsys.readouterr().out
    assert "arXiv:2212.01175, page 2 (passage)  Flip Graphs" in found
    assert "Zebra stripes" in found
    assert run(corpus, "search", "walrus prefetch", "-k", "1") == 0
    assert "own:deep/notes.md (passage)  My notes" in capsys.readouterr().out
    assert run(corpus, "ingest") == 0
    assert "0 stored (0 passages), 3 unchanged, 1 skipped, 0 removed" in capsys.readouterr().out
    assert run(corpus, "status") == 0
    assert "2 papers, 2 lessons, 3 ingested files" in capsys.readouterr().out


def test_changed_and_deleted_files_leave_no_old_passages(
    corpus: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    own = corpus / "own"
    own.mkdir()
    (own / "a.txt").write_text("The first version speaks of giraffes. " * 10)
    (own / "b.txt").write_text("Another file speaks of pelicans. " * 10)
    run(corpus, "ingest")
    (own / "a.txt").write_text("The second version speaks of badgers. " * 10)
    (own / "b.txt").unlink()
    run(corpus, "ingest")
    assert "1 stored (1 passages), 0 unchanged, 0 skipped, 2 removed" in capsys.readouterr().out
    run(corpus, "search", "giraffes badgers pelicans", "-k", "9")
    found = capsys.readouterr().out
    assert "badgers" in found
    assert "giraffes." not in found
    assert "pelicans." not in found


def test_a_document_that_a_kill_left_incomplete_is_done_again(corpus: Path) -> None:
    own = corpus / "own"
    own.mkdir()
    (own / "a.txt").write_text("\n\n".join(f"Paragraph {n} has its own subject {n}. " * 8 for n in range(6)))
    papers = manifest.read(corpus / "papers.toml")
    with connect(str(corpus.parent / "memory")) as connection:
        library = open_library(connection, HashedEmbedder(), corpus / "papers.toml")
        files = ingest.sources(papers, corpus)
        first = ingest.ingest(library, files, lambda _: None)
        assert first.passages > 1
        row = connection.collection("papers", HashedEmbedder()).rows(equal={"type": "passage"})[0]
        connection.collection("papers", HashedEmbedder()).delete_ids([row.id])
        assert [document.complete for document in library.documents().values()] == [False]
        again = ingest.ingest(library, files, lambda _: None)
        assert again.stored == ["own:a.txt"]
        assert all(document.complete for document in library.documents().values())
        other = ingest.ingest(library, files, lambda _: None, Splitting(longest=900))
        assert other.stored == ["own:a.txt"], "another way of cutting is noticed"
        assert {document.cut for document in library.documents().values()} == {Splitting(longest=900).name}


def test_switching_the_embedder_re_embeds_and_removal_holds_in_both(tmp_path: Path) -> None:
    small, large = HashedEmbedder(256), HashedEmbedder(512)
    with connect(str(tmp_path)) as connection:
        library = PaperLibrary(connection, small)
        library.add("hash", "own:x", "X", "cut", [Chunk("walrus tusks", 3), Chunk("pelican beaks", None)])
        switched = PaperLibrary(connection, large)
        assert switched.count() == 2
        (found,) = switched.search("walrus", 1)
        assert (found.paper_id, found.page, found.kind) == ("own:x", 3, "passage")
        switched.remove("hash")
        assert PaperLibrary(connection, small).count() == 0
        assert PaperLibrary(connection, large).count() == 0


def test_lessons_are_available_at_once_and_follow_the_manifest(corpus: Path) -> None:
    with connect(str(corpus.parent / "memory")) as connection:
        embedder = HashedEmbedder()
        library = open_library(connection, embedder, corpus / "papers.toml")
        (found,) = library.search("constant bandwidth for the cores", 1)
        assert (found.paper_id, found.kind, found.page) == ("doi:10.1145/3458817.3476166", "lesson", None)
        assert 0 < found.score <= 1
        (corpus / "papers.toml").write_text(MANIFEST.replace("constant bandwidth", "steady bandwidth"))
        library = open_library(connection, embedder, corpus / "papers.toml")
        assert library.count("lesson") == 2
        assert "steady" in library.search("bandwidth of the cores", 1)[0].text
        assert library.search("", 3) == []
        assert library.search("the of and", 3) == []
        assert library.search("bandwidth", 0) == []


def test_the_projects_own_manifest_is_good_and_finds_every_paper_by_its_title() -> None:
    papers = manifest.read()
    assert len(papers) >= 50
    assert all(2020 <= paper.year <= 2025 for paper in papers)
    import tempfile

    with tempfile.TemporaryDirectory() as folder, connect(folder) as connection:
        library = open_library(connection, HashedEmbedder())
        assert library.count() == sum(len(paper.lessons) for paper in papers)
        for paper in papers:
            assert paper.id in {passage.paper_id for passage in library.search(paper.title, 5)}


def test_rows_without_words_do_not_break_the_store(tmp_path: Path) -> None:
    with connect(str(tmp_path)) as connection:
        collection = connection.collection("papers", HashedEmbedder())
        collection.upsert([StoredRow("a", "…", {"x": 1}), StoredRow("b", "", {"x": 1})])
        assert collection.count() == 2
        assert len(collection.query("word", 2)) == 2


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (
            ('id = "doi:10.1145/3458817.3476166"', 'id = "arXiv:2212.01175"'),
            r"papers\.toml:11: the id .* appears twice",
        ),
        (('id = "doi:10.1145/3458817.3476166"', 'id = "arxiv:2212.01175v3"'), r":11: .*malformed"),
        (('id = "doi:10.1145/3458817.3476166"', 'id = "arXiv:2212.01175v3"'), r":11: .*appears twice"),
        (
            ('id = "arXiv:2212.01175"', 'id = "../../etc/passwd"'),
            r":2: the id '\.\./\.\./etc/passwd' is malformed",
        ),
        (("year = 2021", 'year = "2021"'), r":11: paper 'doi:10\.1145/3458817\.3476166': year"),
        (("year = 2021", "colour = 1"), r":11: .*unknown key 'colour'; allowed: id, title"),
        (('title = "CAKE"', 'title = " "'), r":11: .*title and at least one lesson"),
        (("[[paper]]\nid", "[[paper]\nid"), "not valid TOML"),
        (('licence = "unknown"', ""), "licence"),
    ],
)
def test_a_bad_manifest_is_one_line(corpus: Path, change: tuple[str, str], why: str) -> None:
    (corpus / "papers.toml").write_text(MANIFEST.replace(change[0], change[1]))
    with pytest.raises(UserError, match=why) as caught:
        manifest.read(corpus / "papers.toml")
    assert "\n" not in str(caught.value)


@pytest.mark.slow
def test_bad_input_on_the_command_line_is_one_line_and_exit_2(
    corpus: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for arguments, why in (
        (("add", str(corpus / "absent.pdf")), "not there"),
        (("add", str(corpus / "papers.toml")), "nothing to read there; allowed: .pdf"),
        (("search", "x", "-k", "0"), "1 or more"),
        (("fetch", "--only", "arXiv:1111.11111"), "not in the manifest"),
        (("fetch", "--pause", "-1"), "--pause"),
        (("search", "x", "--embedder", "./absent"), "no such folder|not installed"),
    ):
        assert run(corpus, *arguments) == 2
        told = capsys.readouterr().err
        assert any(part in told for part in why.split("|")), told
        assert len(told.splitlines()) == 1
    (corpus / "papers.toml").unlink()
    assert run(corpus, "status") == 2
    assert "the manifest of papers is expected there" in capsys.readouterr().err


def test_as_a_process_of_its_own(corpus: Path) -> None:
    where = ["--corpus", str(corpus), "--memory", str(corpus.parent / "memory")]
    (corpus / "own").mkdir()
    (corpus / "own" / "a.txt").write_text("A text on rank-one terms and on tensors. " * 10)
    ingested = subprocess.run(
        [sys.executable, "-m", "harness.corpus", "ingest", *where],
        capture_output=True,
        text=True,
        cwd=ROOT,
        check=True,
    )
    assert "stored: a (1 passages from 1 pages)" in ingested.stdout
    assert ingested.stderr == "", "no progress bar where there is no terminal"
    finished = subprocess.run(
        [sys.executable, "-m", "harness.corpus", "search", "rank-one terms", "-k", "2", *where],
        capture_output=True,
        text=True,
        cwd=ROOT,
        check=True,
    )
    assert "arXiv:2212.01175 (lesson)  Flip Graphs" in finished.stdout
    assert finished.stderr == ""


def test_a_closed_pipe_is_not_an_error(corpus: Path) -> None:
    where = ["--corpus", str(corpus), "--memory", str(corpus.parent / "memory")]
    process = subprocess.Popen(
        [sys.executable, "-m", "harness.corpus", "status", *where],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        cwd=ROOT,
    )
    assert process.stdout is not None
    assert process.stderr is not None
    process.stdout.close()
    with process.stderr as errors:
        assert errors.read() == b""
    assert process.wait() == 0
