"""Addresses and tokens: what is allowed, and one line for everything else."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from harness.errors import UserError
from harness.fleet import address, token_file
from harness.fleet.__main__ import main
from harness.fleet.address import ClusterAddress, LocalAddress


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("local:1", LocalAddress(1)),
        ("local:4", LocalAddress(4)),
        ("ray://head", ClusterAddress("head", 10001)),
        ("ray://a-b.c_d.example.", ClusterAddress("a-b.c_d.example.", 10001)),
        ("ray://10.0.0.7:9000", ClusterAddress("10.0.0.7", 9000)),
        ("ray://[::1]:9000", ClusterAddress("[::1]", 9000)),
    ],
)
def test_addresses(text: str, found: LocalAddress | ClusterAddress) -> None:
    assert address.parse(text, 4) == found


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("local:0", "local:N takes 1 to 4"),
        ("local:-1", "local:N takes 1 to 4"),
        ("local:", "local:N takes 1 to 4"),
        ("local:x", "local:N takes 1 to 4"),
        ("local:5", "this machine has 4 usable core"),
        ("local", "local:N takes"),
        ("here", "unknown address; allowed: local:N, or ray://HOST:PORT"),
        ("http://head:80", "unknown address"),
        ("ray://", "HOST:PORT is expected"),
        ("ray://head:0", "port of 1 to 65535"),
        ("ray://head:70000", "port of 1 to 65535"),
        ("ray://a b:9000", "HOST:PORT is expected"),
        ("ray://head/../x:9000", "HOST:PORT is expected"),
        ("ray://a..b:9000", "HOST:PORT is expected"),
        ("ray://.:9000", "HOST:PORT is expected"),
        (f"ray://{'x' * 64}:9000", "HOST:PORT is expected"),
        (f"ray://{'x.' * 130}x:9000", "HOST:PORT is expected"),
        ("ray://head:９０００", "HOST:PORT is expected"),
        ("local:２", "local:N takes 1 to 4"),
    ],
)
def test_other_addresses_are_one_line(text: str, words: str) -> None:
    with pytest.raises(UserError, match=words):
        address.parse(text, 4)


def test_without_the_engine_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(address, "find_spec", lambda name: None)
    with pytest.raises(UserError, match=r"pip install 'matmul-round-table\[fleet\]'"):
        address.require_engine()


def test_a_new_token_is_secret_and_private(tmp_path: Path) -> None:
    one, two = token_file.make(tmp_path / "a" / "token"), token_file.make(tmp_path / "two")
    assert stat.S_IMODE(one.stat().st_mode) == 0o600
    assert one.read_text() != two.read_text()
    assert len(one.read_text().strip()) == 64
    assert token_file.make(one).read_text() == one.read_text()
    assert token_file.environment(one)["RAY_AUTH_MODE"] == "token"


@pytest.mark.parametrize(
    ("text", "mode", "words"),
    [
        ("a" * 64, 0o644, "others can read the token; run: chmod 600"),
        ("a" * 64, 0o660, "others can read the token"),
        ("short", 0o600, "no token: one line"),
        ("two lines of\nsomething else", 0o600, "no token: one line"),
        ("ü" * 40, 0o600, "cannot be read"),
        (None, 0o600, "no token; .* makes one on the head"),
    ],
)
def test_another_token_is_refused(tmp_path: Path, text: str | None, mode: int, words: str) -> None:
    path = tmp_path / "token"
    if text is not None:
        path.write_text(text, encoding="utf-8")
        path.chmod(mode)
    with pytest.raises(UserError, match=words):
        token_file.require(path)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["serve", "head", "--port", "10500"], "--port takes a port, 1 to 65535, outside of 10002 to 19999"),
        (["serve", "head", "--client-port", "0"], "--client-port takes a port"),
        (["serve", "no port"], "serve no port: HOST:PORT is expected"),
        (["serve", "host:6379", "--token", "nowhere"], "nowhere: no token"),
    ],
)
def test_serve_refuses_bad_usage_in_one_line(
    arguments: list[str], words: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(address, "find_spec", lambda name: object())
    assert main(arguments) == 2
    error = capsys.readouterr().err
    assert words in error
    assert error.count("\n") == 1
