"""An evolution in its own process, to be interrupted: `python -m tests.roundtable.interrupted FOLDER judge|mind`."""

from __future__ import annotations

import asyncio
import signal
import sys
import time
from pathlib import Path
from typing import Any

from harness.candidate import Candidate
from harness.memory.kernels import open_memory
from harness.minds.protocol import Answer, Minds, Progress, Question
from harness.settings import AnswerProtocol
from harness.verdict import Verdict
from tests.roundtable.support import Scene, builtin, by_schedule


class Pondering:
    """A model that never answers."""

    name, model_hash, context_tokens = "pondering", "0", 32768
    protocol = AnswerProtocol.FULL
    closed = False

    def count(self, system: str, user: str) -> int:
        return len(system + user) // 4

    async def ask(self, question: Question, progress: Progress) -> Answer:
        print("ready", flush=True)
        await asyncio.sleep(3600)
        raise AssertionError

    async def close(self) -> None:
        print("closed", flush=True)


def judge(candidate: Candidate) -> Verdict:
    if candidate.name.endswith("002"):
        print("ready", flush=True)
        time.sleep(3600)
    return by_schedule(candidate)


def main() -> None:
    """Run until interrupted."""
    # Shells start background processes with SIGINT ignored, and children inherit that.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    folder, phase = Path(sys.argv[1]), sys.argv[2]
    with open_memory(str(folder / "memory")) as memory:
        minds: Any = builtin
        if phase == "mind":
            minds = Minds(builtin(1).stand_in, {"*": Pondering()})  # type: ignore[dict-item]
        try:
            Scene(folder, memory).run(judge, generate=3, minds=minds)
        except KeyboardInterrupt:
            print("interrupted", flush=True)


if __name__ == "__main__":
    main()
