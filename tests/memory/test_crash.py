"""Killed at any moment, the memory keeps everything recorded and nothing partial; full disks and torn journals, too."""

from __future__ import annotations

import random
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest

from harness.memory.kernels import open_memory
from tests.conftest import ROOT

WRITER = textwrap.dedent(
    """
    import sys

    from tests.memory.samples import ZEN, accepted
    from harness.memory.kernels import open_memory

    with open_memory({where!r}) as memory:
        number = memory.count()
        print("open", flush=True)
        while True:
            memory.record(
                accepted(0.5), name=f"k{{number}}", source="// " + str(number) * 5000, machine=ZEN,
                toolchain="rustc", suite="default", proposal={{"number": number}},
            )
            print(number, flush=True)
            number += 1
    """
)


def start(script: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", script], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=ROOT
    )


@pytest.mark.slow
def test_a_kill_at_any_moment_loses_nothing_recorded(tmp_path: Path) -> None:
    pause = random.Random(20261122)
    said = -1
    for _ in range(3):
        writer = start(WRITER.format(where=str(tmp_path)))
        assert writer.stdout is not None
        assert writer.stderr is not None
        assert writer.stdout.readline() == "open\n"
        # Something is recorded before the kill on the slowest machine, too.
        first = writer.stdout.readline()
        time.sleep(pause.uniform(0.0, 0.4))
        writer.send_signal(signal.SIGKILL)
        # Not `communicate`, which leaves out what the lines above have read ahead.
        output, errors = first + writer.stdout.read(), writer.stderr.read()
        writer.wait()
        assert errors == ""
        # A line that the kill cut off does not count.
        said = max([said, *(int(line) for line in output.splitlines(keepends=True) if line.endswith("\n"))])
        with open_memory(str(tmp_path)) as memory:
            kernels = memory.everything()
            numbers = sorted(kernel.proposal["number"] for kernel in kernels if kernel.proposal)
            assert numbers == list(range(len(numbers))), "gaps or doubles"
            assert len(numbers) in (said + 1, said + 2), "recorded kernels are missing"
            assert all(kernel.source == "// " + str(kernel.name[1:]) * 5000 for kernel in kernels)
            # The vector index is complete as well.
            assert len(memory.similar("number", 3)) == min(3, len(numbers))
    assert said > 0


def test_a_torn_index_file_does_not_matter(tmp_path: Path) -> None:
    """By default Chroma rewrites its index in place every 1000 rows, and a kill during that destroys the collection."""
    from dataclasses import replace

    from harness.memory import kernel_record
    from tests.memory.samples import ZEN, accepted

    one = kernel_record.build(accepted(0.5), name="k", source="x", machine=ZEN, toolchain="", suite="")
    with open_memory(str(tmp_path)) as memory:
        memory.put(replace(one, name=f"k{number}", source=f"// {number}") for number in range(1100))
        assert memory.count() == 1100
    assert not list(tmp_path.rglob("index_metadata.pickle")), "the index was written; a kill can tear it"
    torn = list(tmp_path.rglob("*.bin"))
    assert torn
    for path in torn:
        path.write_bytes(b"torn")
    with open_memory(str(tmp_path)) as memory:
        assert memory.count() == 1100
        assert memory.similar("k1099", 1)


def test_a_full_disk_is_one_line_and_what_was_recorded_stays(tmp_path: Path) -> None:
    script = textwrap.dedent(
        """
        import resource, signal

        from tests.memory.samples import ZEN, accepted
        from harness.errors import UserError
        from harness.memory.kernels import open_memory

        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        done = 0
        with open_memory({where!r}) as memory:
            resource.setrlimit(resource.RLIMIT_FSIZE, (4 << 20, resource.RLIM_INFINITY))
            try:
                for number in range(100):
                    memory.record(accepted(0.5), name=f"k{{number}}", source="x" * 400_000 + str(number),
                                  machine=ZEN, toolchain="", suite="")
                    done += 1
            except UserError as error:
                print(done, error)
        """
    )
    finished = subprocess.run(
        [sys.executable, "-c", script.format(where=str(tmp_path))],
        capture_output=True,
        text=True,
        cwd=ROOT,
        check=False,
    )
    assert finished.returncode == 0, finished.stderr
    (line,) = finished.stdout.splitlines()
    done, _, message = line.partition(" ")
    assert int(done) > 0
    assert "memory" in message
    assert "free some space" in message
    with open_memory(str(tmp_path)) as memory:
        assert memory.count() == int(done)


def test_two_processes_at_once(tmp_path: Path) -> None:
    writer = start(WRITER.format(where=str(tmp_path)))
    try:
        assert writer.stdout is not None
        assert writer.stdout.readline() == "open\n"
        second = subprocess.run(
            [sys.executable, "-m", "harness.memory", "status", "--memory", str(tmp_path)],
            capture_output=True,
            text=True,
            cwd=ROOT,
            check=False,
        )
    finally:
        writer.kill()
        writer.communicate()
    assert second.returncode == 2
    assert f"process {writer.pid}" in second.stderr
    assert "chroma run --path" in second.stderr
    assert "--memory http://" in second.stderr
    assert len(second.stderr.splitlines()) == 1
    with open_memory(str(tmp_path)) as memory:
        assert memory.count() >= 0
