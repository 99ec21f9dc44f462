"""The port over Ray core: one judge actor per node, which holds the node's resource `clock`.

Nothing else imports ray, but ray_answers, which reads what a cluster sends.

The engine moves text between machines and tells which of them live. Which job goes where, for how long, and how often
it is tried, is decided by the dealer.
"""

from __future__ import annotations

import contextlib
import logging
import os
import socket
import threading
import time
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.announce import Announce
from harness.errors import UserError
from harness.fleet import ray_answers, token_file, wire
from harness.fleet.address import ClusterAddress
from harness.fleet.port import Arrived, FleetWorker, Lost, Report
from harness.fleet.wire import Job, WireError, WorkerFacts
from harness.verdict import one_line

# Seconds for a connection, or one line that says why there is none; Ray's own limit is 30 s. A head that has answered
# and is busy gets longer to start a session.
CONNECT_S, SESSION_S = 10.0, 90.0
_PROBE_S = 3.0
# What Ray says when a busy head does not start a session's server within 30 s, and how often it is asked to.
_NOT_STARTED, _STARTS = "Initialization failure from server", 2
# Seconds until a new judge has said what its machine is: it opens toolchain, sandbox and baseline.
FACTS_S = 90.0
# Seconds between two questions to the head which nodes live.
_LOOK_S = 2.0
# Questions to the head without an answer, one after the other, until its nodes count as lost.
SILENCES = 3
_RESOURCE = "clock"


class NodeJudge:
    """The actor: judges the jobs of one node, in the main thread of its process. It starts with imports only."""

    def __init__(self, unit: str) -> None:
        self._unit = unit
        self._judge: Any = None

    def facts(self) -> str:
        """WorkerFacts as JSON, or a line that begins with "error: "."""
        from harness.errors import HarnessFaultError
        from harness.fleet.judging import JobJudge

        try:
            self._judge = JobJudge(lambda line: None, self._unit)
            return wire.write(self._judge.facts())
        except (UserError, HarnessFaultError) as error:
            return f"error: {one_line(str(error))}"

    def judge(self, job: str) -> str:
        """JobOutcome as JSON for a Job as JSON."""
        return wire.write(self._judge.judge(wire.read(Job, job)))


@dataclass
class _Node:
    """A node with its actor; `pending` is the reference of its facts or of its job's outcome."""

    id: str
    name: str
    unit: str
    actor: Any
    pending: Any
    since_s: float
    facts: WorkerFacts | None = None
    job: Job | None = None
    refused: bool = False
    starts: int = 1

    @property
    def worker_id(self) -> str:
        """Unique in a session: a node whose judge was started again is another worker."""
        return f"{self.name}-{self.id[:6]}" + (f"-{self.starts}" if self.starts > 1 else "")


class RayWorkers:
    """See port.WorkerPort."""

    def __init__(self, where: ClusterAddress, token: Path, here: WorkerFacts, say: Announce) -> None:
        """Connect within CONNECT_S and wait until every node's judge has answered.

        Raises UserError with one line when there is no connection, or no node that can judge for `here`.
        """
        self._here, self._say, self._where = here, say, where
        self._ray = _connected(where, token_file.require(token), say)
        self._nodes: dict[str, _Node] = {}
        self._lost: list[Report] = []
        self._looked_s = 0.0
        self._silences = 0
        try:
            self._await_facts()
        except BaseException:
            self.close()
            raise

    def machines(self) -> Sequence[FleetWorker]:
        """The nodes that live and may judge here."""
        self._look()
        return [FleetWorker.of(one.worker_id, one.facts) for one in self._judging() if one.facts is not None]

    def submit(self, job: Job, worker: str) -> None:
        """Start the job on the node's actor."""
        node = next((one for one in self._judging() if one.worker_id == worker), None)
        if node is None or node.job is not None:
            self._lost.append(Lost(job.ticket, worker, "the node is gone" if node is None else "it is busy"))
            return
        node.job = job
        try:
            node.pending = node.actor.judge.remote(wire.write(job))
        except Exception as error:
            self._drop(node, f"its judge cannot be reached: {_line(error)}")

    def done(self, timeout_s: float) -> list[Report]:
        """Outcomes and losses so far."""
        self._collect(0.0 if self._lost else timeout_s)
        found, self._lost = self._lost, []
        return found

    def cancel(self, ticket: str) -> None:
        """Kill the actor that has the job, with its kernel, and start another on that node."""
        for node in list(self._nodes.values()):
            if node.job is not None and node.job.ticket == ticket:
                node.job = None
                self._restart(node)

    def close(self) -> None:
        """Kill every actor and leave the cluster."""
        for node in self._nodes.values():
            with contextlib.suppress(Exception):
                self._ray.kill(node.actor)
        self._nodes.clear()
        _quietly(self._ray.shutdown, 5.0)

    def _judging(self) -> list[_Node]:
        nodes = [one for one in self._nodes.values() if one.facts is not None and not one.refused]
        return sorted(nodes, key=lambda one: one.worker_id)

    def _await_facts(self) -> None:
        self._look()
        deadline = time.monotonic() + FACTS_S
        while any(one.facts is None and not one.refused for one in self._nodes.values()):
            self._collect(0.5)
            if time.monotonic() > deadline:
                for node in [one for one in self._nodes.values() if one.facts is None]:
                    self._refuse(
                        node, f"its judge does not answer within {FACTS_S:.0f} s; does another run use it?"
                    )
        if not self._judging():
            raise UserError(
                f"{self._where}: no machine of this cluster can judge for this session; see the lines above"
            )

    def _look(self) -> None:
        """Ask the head which nodes live, at most every _LOOK_S; begin with new ones, drop those that are gone."""
        if time.monotonic() - self._looked_s < _LOOK_S:
            return
        try:
            listed = {one["NodeID"]: one for one in self._ray.nodes() if one["Alive"]}
        except Exception as error:
            self._unheard(error)
            return
        self._silences = 0
        self._looked_s = time.monotonic()
        for node in [one for one in self._nodes.values() if one.id not in listed]:
            self._drop(node, "the node is gone")
        for node_id, entry in sorted(listed.items()):
            if node_id not in self._nodes and entry["Resources"].get(_RESOURCE):
                self._begin(node_id, entry)

    def _unheard(self, error: Exception) -> None:
        """Count an unanswered question to the head; a busy head may miss one, but not SILENCES one after the other."""
        self._looked_s = time.monotonic()
        self._silences += 1
        if self._silences >= SILENCES:
            for node in list(self._nodes.values()):
                self._drop(node, f"the head does not answer: {_line(error)}")
        time.sleep(0.5)

    def _begin(self, node_id: str, entry: dict[str, Any]) -> None:
        unit = str(entry.get("Labels", {}).get("vector", ""))
        name = one_line(str(entry.get("NodeManagerHostname", "node")), 60)
        actor = self._actor(node_id, unit)
        self._nodes[node_id] = _Node(node_id, name, unit, actor, actor.facts.remote(), time.monotonic())

    def _actor(self, node_id: str, unit: str) -> Any:
        from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

        strategy = NodeAffinitySchedulingStrategy(node_id, soft=False)
        options = {"num_cpus": 0, "resources": {_RESOURCE: 1}, "max_restarts": 0, "max_task_retries": 0}
        return self._ray.remote(NodeJudge).options(scheduling_strategy=strategy, **options).remote(unit)

    def _restart(self, node: _Node) -> None:
        with contextlib.suppress(Exception):
            self._ray.kill(node.actor)
        try:
            node.actor = self._actor(node.id, node.unit)
            node.pending = node.actor.facts.remote()
        except Exception as error:
            self._drop(node, _line(error))
            return
        node.facts, node.since_s, node.starts = None, time.monotonic(), node.starts + 1

    def _collect(self, timeout_s: float) -> None:
        """Take what has arrived; waits up to `timeout_s` for the first."""
        waiting = {one.pending: one for one in self._nodes.values() if one.pending is not None}
        if not waiting:
            time.sleep(min(timeout_s, 0.2))
            return
        try:
            ready, _ = self._ray.wait(list(waiting), num_returns=1, timeout=timeout_s)
            ready, _ = self._ray.wait(list(waiting), num_returns=len(waiting), timeout=0)
        except Exception as error:
            self._unheard(error)
            return
        for reference in ready:
            node = waiting[reference]
            node.pending = None
            try:
                text = str(self._ray.get(reference, timeout=CONNECT_S))
            except Exception as error:
                self._drop(node, f"its judge ended: {_line(error)}")
            else:
                self._take(node, text)

    def _take(self, node: _Node, text: str) -> None:
        """What a node said: its facts, or the outcome of its job."""
        job = node.job
        try:
            if job is not None:
                outcome = wire.read_outcome(text, job)
                node.job = None
                self._lost.append(Arrived(job.ticket, node.worker_id, outcome))
                return
            if text.startswith("error: "):
                self._refuse(node, one_line(text.removeprefix("error: ")))
                return
            facts = wire.read(WorkerFacts, text)
        except WireError as error:
            self._refuse(node, str(error))
            return
        why = facts.refusal(self._here)
        if why is not None:
            self._refuse(node, why)
            return
        node.facts = facts
        if node.starts == 1:
            self._say(f"worker {node.worker_id}: {facts.of_machine.description}, {facts.baseline}")

    def _refuse(self, node: _Node, why: str) -> None:
        """Leave a node out for this session, with its reason; its job is lost."""
        self._say(f"worker {node.worker_id} is left out: {why}")
        job, node.job, node.refused, node.pending = node.job, None, True, None
        if job is not None:
            self._lost.append(Lost(job.ticket, node.worker_id, why))
        with contextlib.suppress(Exception):
            self._ray.kill(node.actor)

    def _drop(self, node: _Node, why: str) -> None:
        """Forget a node; when it comes back, it begins anew."""
        self._nodes.pop(node.id, None)
        # Where it lives after all, its judge would keep the node's clock.
        with contextlib.suppress(Exception):
            self._ray.kill(node.actor)
        if node.facts is not None:
            self._say(f"worker {node.worker_id} is lost: {why}")
        if node.job is not None:
            self._lost.append(Lost(node.job.ticket, node.worker_id, why))


def _connected(where: ClusterAddress, token: Path, say: Announce) -> Any:
    """The module ray, connected. Raises UserError with one line."""
    try:
        socket.create_connection((where.host.strip("[]"), where.port), _PROBE_S).close()
    except OSError as error:
        raise UserError(
            f"--workers {where}: nobody answers there ({error.strerror or error}); is `python -m harness.fleet serve "
            "head` running, and the port reachable?"
        ) from None
    os.environ.update(token_file.environment(token))
    os.environ.setdefault("RAY_CLIENT_INITIAL_CONNECTION_TIMEOUT_S", "2")
    os.environ.setdefault("RAY_CLIENT_MAX_CONNECTION_TIMEOUT_S", "2")
    # Without it, the next call after a loss of the head would start or look for a cluster on this machine.
    os.environ["RAY_ENABLE_AUTO_CONNECT"] = "0"
    # After a loss of the head, Ray waits for it to come back; the dealer waits, too.
    os.environ.setdefault("RAY_CLIENT_RECONNECT_GRACE_PERIOD", "10")
    import ray

    ray_answers.read_plain_answers_only()
    failed: list[BaseException] = []

    def connect() -> None:
        for _ in range(_STARTS):
            failed.clear()
            try:
                with warnings.catch_warnings():
                    warnings.simplefilter("ignore")
                    ray.init(str(where), logging_level=logging.CRITICAL, log_to_driver=False)
                return
            except BaseException as error:
                failed.append(error)
            if _NOT_STARTED not in str(failed[0]):
                return

    thread = threading.Thread(target=connect, daemon=True)
    thread.start()
    thread.join(CONNECT_S)
    if thread.is_alive():
        say(f"workers: {where} has answered and is busy; waiting up to {SESSION_S:.0f} s …")
        thread.join(SESSION_S)
    if thread.is_alive():
        raise UserError(
            f"--workers {where}: the head answers, but starts no session within {SESSION_S:.0f} s"
        )
    if failed:
        raise UserError(f"--workers {where}: {_why(failed[0])}")
    return ray


def _why(error: BaseException) -> str:
    """What a failed connection means."""
    text = one_line(str(error))
    if _NOT_STARTED in text:
        return "the head answers, but could not start a session; is that machine overloaded?"
    if "connection timeout" in text:
        return "the head does not let this session in: compare the token files, and the versions of Ray"
    if "version" in text.lower():
        return f"the cluster's Python or Ray is another: {text}; use the same versions, to the patch level, everywhere"
    return f"no connection: {text}"


def _quietly(action: Any, limit_s: float) -> bool:
    """Run something of Ray's that may hang in a thread; whether it came to its end in time."""
    thread = threading.Thread(target=action, daemon=True)
    thread.start()
    thread.join(limit_s)
    return not thread.is_alive()


def _line(error: BaseException) -> str:
    return one_line(f"{type(error).__name__}: {error}", 160)
