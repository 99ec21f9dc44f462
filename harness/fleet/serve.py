"""Makes this machine the head or a worker of a cluster, with safe defaults: token, no dashboard, one job at a time."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from harness.announce import Announce
from harness.errors import HarnessFaultError, SandboxError, UserError
from harness.fleet import address, token_file
from harness.fleet.judging import JobJudge
from harness.fleet.wire import WorkerFacts
from harness.places import ROOT
from harness.verdict import one_line

# Ray's smallest store of objects, in bytes; jobs and outcomes are a few kilobytes.
STORE_BYTES = 100 << 20
START_S = 60.0
# `ray start` prints it when everything runs.
_RUNS = "--block"
# Ports that Ray gives to its processes; a head's port must not be one of them.
_RAYS_OWN = range(10002, 20000)


@dataclass(frozen=True, slots=True)
class ServeOrder:
    """What `serve` was asked for. `head` is None for the head itself, else HOST:PORT of the head to join.

    `address` is that of this machine in the cluster's network; empty lets Ray find it.
    """

    head: str | None
    address: str
    port: int
    client_port: int
    token: Path
    unit: str = ""


def serve(order: ServeOrder, say: Announce) -> int:
    """Run until Ctrl-C or SIGTERM. Returns Ray's exit status; raises UserError for what a person can fix."""
    address.require_engine()
    _check_ports(order)
    token = token_file.make(order.token) if order.head is None else token_file.require(order.token)
    facts = JobJudge(say, order.unit).facts()
    if not facts.sandboxed:
        raise SandboxError(
            "no sandbox here, so this machine judges for nobody; run it on Linux 5.13 or newer with Landlock"
        )
    signal.signal(signal.SIGTERM, _interrupt)
    # Both ends of the pair have Ray's answers; nothing of Ray's own prose is shown.
    with tempfile.TemporaryFile("w+", encoding="utf-8") as log:
        ray = subprocess.Popen(
            _command(order, facts),
            env=_environment(token),
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            preexec_fn=_end_with_parent if sys.platform == "linux" else None,
        )
        try:
            _await_start(ray, log.fileno())
            for line in _lines(order, facts, token):
                say(line)
            return ray.wait()
        except KeyboardInterrupt:
            return 0
        finally:
            _stop(ray)


def _end_with_parent() -> None:
    """Let the system send SIGTERM to this process when the one that started it ends, even by SIGKILL."""
    import ctypes

    ctypes.CDLL(None).prctl(1, signal.SIGTERM)  # PR_SET_PDEATHSIG of <linux/prctl.h>


def _interrupt(*_: object) -> None:
    raise KeyboardInterrupt


def _check_ports(order: ServeOrder) -> None:
    if order.head is not None:
        address.port_of(order.head, f"serve {order.head}")
        return
    for name, port in (("--port", order.port), ("--client-port", order.client_port)):
        if not 1 <= port <= 65535 or port in _RAYS_OWN:
            raise UserError(f"{name} takes a port, 1 to 65535, outside of 10002 to 19999; got {port}")


def _command(order: ServeOrder, facts: WorkerFacts) -> list[str]:
    common = [
        *([f"--node-ip-address={order.address}"] if order.address else []),
        "--resources=" + json.dumps({"clock": 1}),
        "--labels=" + ",".join(f"{key}={value}" for key, value in labels(facts).items()),
        "--num-cpus=0",
        "--num-gpus=0",
        f"--object-store-memory={STORE_BYTES}",
        "--disable-usage-stats",
        "--block",
    ]
    ray = [sys.executable, "-m", "ray.scripts.scripts", "start"]
    if order.head is not None:
        return [*ray, f"--address={order.head}", *common]
    head = ["--head", f"--port={order.port}", f"--ray-client-server-port={order.client_port}"]
    return [*ray, *head, "--include-dashboard=false", *common]


def labels(facts: WorkerFacts) -> dict[str, str]:
    """What `ray list nodes` shows of this machine, and the vector unit as which it offers itself."""
    machine = facts.of_machine
    texts = {
        "fingerprint": machine.fingerprint,
        "vector": machine.vector,
        "blas": facts.baseline,
        "version": facts.version,
    }
    return {
        key: re.sub(r"[^A-Za-z0-9]+", "-", value)[:60].strip("-") or "none" for key, value in texts.items()
    }


def _environment(token: Path) -> dict[str, str]:
    paths = [str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])]
    return os.environ | token_file.environment(token) | {"PYTHONPATH": os.pathsep.join(paths)}


def _await_start(ray: subprocess.Popen[bytes], log: int) -> None:
    deadline = time.monotonic() + START_S
    while time.monotonic() < deadline:
        text = os.pread(log, 1 << 16, 0).decode("utf-8", "replace")
        if _RUNS in text:
            return
        if ray.poll() is not None:
            raise UserError(f"Ray does not start: {_reason(text)}")
        time.sleep(0.1)
    raise HarnessFaultError(f"Ray did not start within {START_S:.0f} s")


def _reason(text: str) -> str:
    """The line of Ray's output that says what is wrong: the first with an error, else the last one."""
    lines = [one_line(line, 300) for line in text.splitlines() if line.strip()]
    wrong = [
        line for line in lines if re.search(r"error|fail|cannot|unable|mismatch|already", line, re.IGNORECASE)
    ]
    return (wrong or lines[-1:] or ["it said nothing"])[0]


def _lines(order: ServeOrder, facts: WorkerFacts, token: Path) -> list[str]:
    lines = [
        f"judging as {facts.of_machine.description}, harness {facts.version}, {facts.baseline}; Ctrl-C ends it"
    ]
    if order.head is not None:
        return [*lines, f"joined {order.head}"]
    here = order.address or "THIS_ADDRESS"
    return [
        *lines,
        f"token: {token} (copy it to every machine, with mode 600; whoever has it runs code on all of them)",
        "Ray's other ports listen on every network of this machine: shield them as docs/fleet.md says",
        f"on the others: python -m harness.fleet serve {here}:{order.port} --address THEIR_ADDRESS",
        f"then: pytest --generate 4 --population 6 --workers ray://{here}:{order.client_port}",
    ]


def _stop(ray: subprocess.Popen[bytes]) -> None:
    """End Ray's processes on this machine that this command started: politely, then by force."""
    if ray.poll() is None:
        ray.terminate()
        try:
            ray.wait(10)
        except subprocess.TimeoutExpired:
            os.killpg(ray.pid, signal.SIGKILL)
            ray.wait()
