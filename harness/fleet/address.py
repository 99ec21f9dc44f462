"""The value of --workers: `local:N`, N judging processes on this machine, or `ray://HOST:PORT`, a cluster."""

from __future__ import annotations

import re
from dataclasses import dataclass
from importlib.util import find_spec
from typing import TypeAlias

from harness.errors import UserError

DEFAULT_CLIENT_PORT = 10001
# Labels of 1 to 63 characters: others cannot be looked up.
_HOST = re.compile(r"(?=.{1,253}$)([A-Za-z0-9_-]{1,63}\.)*[A-Za-z0-9_-]{1,63}\.?|\[[0-9A-Fa-f:.]{2,45}\]")


@dataclass(frozen=True, slots=True)
class LocalAddress:
    """`count` judging processes on this machine."""

    count: int


@dataclass(frozen=True, slots=True)
class ClusterAddress:
    """The Ray client server of a cluster's head."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"ray://{self.host}:{self.port}"


WorkersAddress: TypeAlias = LocalAddress | ClusterAddress


def parse(text: str, cores: int) -> WorkersAddress:
    """The address that --workers names; `cores` is the number of cores that may be used here.

    Raises UserError with what is allowed.
    """
    kind, _, rest = text.partition(":")
    if kind == "local":
        if not re.fullmatch(r"[0-9]{1,4}", rest) or int(rest) < 1:
            raise UserError(f"--workers {text}: local:N takes 1 to {cores} judging processes")
        if int(rest) > cores:
            raise UserError(
                f"--workers {text}: this machine has {cores} usable core(s); local:N takes 1 to {cores}"
            )
        return LocalAddress(int(rest))
    if text.startswith("ray://"):
        host, port = port_of(text.removeprefix("ray://"), f"--workers {text}", DEFAULT_CLIENT_PORT)
        return ClusterAddress(host, port)
    raise UserError(f"--workers {text}: unknown address; allowed: local:N, or ray://HOST:PORT of a head")


def port_of(text: str, what: str, default: int | None = None) -> tuple[str, int]:
    """Host and port of "HOST:PORT"; raises UserError, beginning with `what`, when it is no such text."""
    host, colon, port = text.rpartition(":") if re.search(r":[0-9]*$", text) else (text, "", "")
    if not colon and default is not None:
        port = str(default)
    if not _HOST.fullmatch(host) or not re.fullmatch(r"[0-9]{1,5}", port) or not 1 <= int(port) <= 65535:
        raise UserError(f"{what}: HOST:PORT is expected, with a port of 1 to 65535")
    return host, int(port)


def require_engine() -> None:
    """Raise UserError with the command that installs Ray when it is not there."""
    if find_spec("ray") is None:
        raise UserError(
            "--workers ray://… needs Ray, which is not installed: pip install 'matmul-round-table[fleet]' "
            "(without it: --workers local:N)"
        )
