"""Downloads papers from arXiv at arXiv's pace: pauses, resumed downloads, checks, complete files only."""

from __future__ import annotations

import hashlib
import json
import os
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.announce import Announce
from harness.corpus.manifest import Paper
from harness.durable import private_folder, write_whole
from harness.errors import UserError

if TYPE_CHECKING:
    import httpx

# arXiv's host for programs: https://info.arxiv.org/help/bulk_data.html
ARXIV = "https://export.arxiv.org"
STATE_FILE = "fetched.json"
MAX_PDF_BYTES = 100 << 20
_USER_AGENT = "matmul-round-table/0.1 (one paper every few seconds; python -m harness.corpus fetch)"


@dataclass(frozen=True, slots=True)
class Politeness:
    """The server and the pace: seconds between requests, tries per paper, seconds without data before giving up."""

    base_url: str = ARXIV
    pause_s: float = 3.0
    tries: int = 3
    silence_s: float = 60.0
    longest_wait_s: float = 120.0
    sleep: Callable[[float], None] = time.sleep


@dataclass(slots=True)
class Fetched:
    """The result of a fetch, by paper id; `failed` with the reason."""

    downloaded: list[str] = field(default_factory=list)
    present: list[str] = field(default_factory=list)
    by_hand: list[str] = field(default_factory=list)
    failed: dict[str, str] = field(default_factory=dict)


class _RefusedError(Exception):
    """One paper is not available; others may be."""


class _CutOffError(Exception):
    """The transfer broke off; the next try continues there."""


def fetch(
    papers: Iterable[Paper], folder: Path, how: Politeness, say: Announce, progress: bool = False
) -> Fetched:
    """Download the papers that arXiv has into `folder`, skipping complete ones.

    Raises UserError when the network, the server or the disk fail for all papers. Downloaded files stay, and a partial
    file is resumed by the next call. The failure of one paper is part of the result and does not stop the others.
    """
    private_folder(folder)
    done = Fetched()
    with _alone(folder), _client(how) as client:
        state = _State(folder / STATE_FILE)
        first = True
        for paper in papers:
            if paper.arxiv is None:
                done.by_hand.append(paper.id)
            elif state.whole(paper, folder):
                done.present.append(paper.id)
            else:
                if not first:
                    how.sleep(how.pause_s)
                first = False
                try:
                    state.add(paper, _download(client, paper, folder, how, progress))
                except _RefusedError as error:
                    done.failed[paper.id] = str(error)
                    say(f"{paper.id}: {error}")
                else:
                    done.downloaded.append(paper.id)
                    say(f"{paper.id}: downloaded, {paper.title}")
    return done


def pdf_path(paper: Paper, folder: Path) -> Path:
    """The path of the paper's PDF in `folder`."""
    return folder / f"{paper.file_stem}.pdf"


class _State:
    """The file fetched.json: id → sha256, size, time. A PDF that does not match its entry is fetched again."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._entries: dict[str, dict[str, Any]] = {}
        try:
            loaded = json.loads(path.read_text(encoding="utf-8"))
            self._entries = {str(key): dict(value) for key, value in loaded.items()}
        except FileNotFoundError:
            return
        except (OSError, ValueError, AttributeError, TypeError):
            raise UserError(
                f"{path}: unreadable; delete it; existing papers are then checked again"
            ) from None

    def whole(self, paper: Paper, folder: Path) -> bool:
        """Whether the PDF is there as recorded; a file that was copied in by hand is checked and recorded."""
        path = pdf_path(paper, folder)
        if not path.is_file():
            return False
        entry = self._entries.get(paper.id)
        if entry is None:
            if _complaint(path) is None:
                self.add(paper, path)
                return True
            return False
        return entry.get("sha256") == sha256(path)

    def add(self, paper: Paper, path: Path) -> None:
        self._entries[paper.id] = {
            "sha256": sha256(path),
            "bytes": path.stat().st_size,
            "when_utc": datetime.now(UTC).isoformat(timespec="seconds"),
        }
        write_whole(self._path, json.dumps(self._entries, indent=1, sort_keys=True) + "\n")


def _download(client: httpx.Client, paper: Paper, folder: Path, how: Politeness, progress: bool) -> Path:
    """Download and check one paper; partial files are kept between tries and between calls."""
    part = folder / f"{paper.file_stem}.part"
    url = f"{how.base_url.rstrip('/')}/pdf/{paper.arxiv}"
    for left in range(how.tries - 1, -1, -1):
        try:
            _transfer(client, url, part, how, f"{paper.id}" if progress else None)
            break
        except _CutOffError as error:
            if not left:
                raise _RefusedError(
                    f"the transfer broke {how.tries} times ({error}); run again, it resumes"
                ) from None
            how.sleep(how.pause_s)
    complaint = _complaint(part)
    _tag(part).unlink(missing_ok=True)
    if complaint:
        part.unlink()
        raise _RefusedError(
            f"{url} {complaint}; nothing kept, look at it in a browser and `add` the file by hand"
        )
    final = pdf_path(paper, folder)
    part.replace(final)
    return final


def _transfer(client: httpx.Client, url: str, part: Path, how: Politeness, label: str | None) -> None:
    """One request; the body is appended to the partial file if the server confirms that it is the same file."""
    import httpx

    have = part.stat().st_size if part.exists() and _tag(part).exists() else 0
    headers = {"Range": f"bytes={have}-", "If-Range": _tag(part).read_text(encoding="utf-8")} if have else {}
    try:
        with client.stream("GET", url, headers=headers) as answer:
            if answer.status_code == 416:
                part.unlink()
                raise _CutOffError("the part did not fit the file")
            _check_status(answer, url, how)
            resumed = answer.status_code == 206
            if resumed and not answer.headers.get("Content-Range", "").startswith(f"bytes {have}-"):
                part.unlink()
                raise _CutOffError("the server resumed at another place")
            _write(answer, part, have if resumed else 0, label)
    except (httpx.ReadError, httpx.RemoteProtocolError, httpx.ReadTimeout, httpx.WriteError) as error:
        raise _CutOffError(str(error) or type(error).__name__) from None
    except httpx.ProxyError as error:
        raise UserError(
            f"the proxy refuses ({error}); check HTTPS_PROXY, then run fetch again: it resumes"
        ) from None
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        reason = str(error) or type(error).__name__
        raise UserError(
            f"{how.base_url} cannot be reached ({reason}); check the network or HTTPS_PROXY, then run fetch again; "
            "the shipped lessons do not need this download"
        ) from None


def _check_status(answer: httpx.Response, url: str, how: Politeness) -> None:
    """Raise the error that a status other than 200 and 206 means, for this paper or for all."""
    code = answer.status_code
    if code in (200, 206):
        return
    if code in (429, 503):
        wait_s = _retry_after_s(answer.headers.get("Retry-After", ""))
        if wait_s > how.longest_wait_s:
            raise UserError(
                f"{how.base_url} asks to come back in {wait_s:.0f} s; run fetch again then, it resumes"
            )
        how.sleep(wait_s)
        raise _CutOffError(f"status {code}, busy")
    if code >= 500:
        raise _CutOffError(f"status {code}")
    if code == 404:
        raise _RefusedError(f"{url} is not there (404); check the id in the manifest")
    if code == 407:
        raise UserError("the proxy wants a password (407); set HTTPS_PROXY=http://user:password@host:port")
    raise _RefusedError(f"{url} answered {code}; look at it in a browser and `add` the file by hand")


def _retry_after_s(value: str) -> float:
    """Seconds from a Retry-After header: a number, or a date; 10 when there is none."""
    if value.strip().isdigit():
        return float(value)
    try:
        moment = parsedate_to_datetime(value)
    except ValueError:
        return 10.0
    moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return max(0.0, (moment - datetime.now(UTC)).total_seconds())


def _write(answer: httpx.Response, part: Path, at: int, label: str | None) -> None:
    """Append the body to the partial file from byte `at`; its length must match the server's statement."""
    from tqdm import tqdm

    tag = answer.headers.get("ETag") or answer.headers.get("Last-Modified") or ""
    length = answer.headers.get("Content-Length", "")
    total = at + int(length) if length.isdigit() else None
    try:
        # A weak tag does not guarantee the same bytes, so such a partial file is not resumed.
        if tag and not tag.startswith("W/"):
            write_whole(_tag(part), tag)
        else:
            _tag(part).unlink(missing_ok=True)
        with (
            part.open("r+b" if at else "wb") as file,
            tqdm(
                total=total,
                initial=at,
                unit="B",
                unit_scale=True,
                desc=label,
                disable=label is None,
                leave=False,
            ) as bar,
        ):
            file.seek(at)
            # Blocks as they arrive: a fixed chunk size would delay data and lose it when the transfer breaks
            # off.
            for block in answer.iter_raw():
                file.write(block)
                bar.update(len(block))
                if file.tell() > MAX_PDF_BYTES:
                    raise _RefusedError(f"larger than {MAX_PDF_BYTES >> 20} MiB")
            file.truncate()
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        raise UserError(
            f"{part}: cannot be written ({error.strerror}); free some space, then run fetch again"
        ) from None
    if total is not None and part.stat().st_size != total:
        raise _CutOffError(f"{part.stat().st_size} of {total} bytes")


def _complaint(path: Path) -> str | None:
    """Why `path` is not a complete PDF; None when it is."""
    with path.open("rb") as file:
        if b"%PDF-" not in file.read(1024):
            return "is not a PDF"
        file.seek(max(0, path.stat().st_size - 4096))
        return None if b"%%EOF" in file.read() else "is cut off (no %%EOF)"


def _tag(part: Path) -> Path:
    return part.with_suffix(".part-tag")


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Allow one fetch per folder at a time."""
    from filelock import FileLock, Timeout

    try:
        with FileLock(folder / ".fetch.lock", timeout=0):
            yield
    except Timeout:
        raise UserError(f"another fetch is at work in {folder}; wait for it") from None


def _client(how: Politeness) -> httpx.Client:
    import httpx

    timeout = httpx.Timeout(how.silence_s, connect=min(15.0, how.silence_s))
    headers = {"User-Agent": _USER_AGENT, "Accept-Encoding": "identity"}
    try:
        return httpx.Client(timeout=timeout, headers=headers, follow_redirects=True)
    except (ValueError, ImportError) as error:
        raise UserError(
            f"the proxy settings cannot be used ({error}); check HTTPS_PROXY, HTTP_PROXY, ALL_PROXY"
        ) from None


def sha256(path: Path) -> str:
    """SHA-256 of a file's bytes, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
