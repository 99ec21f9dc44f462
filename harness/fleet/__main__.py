"""The command line of a fleet's machines: `python -m harness.fleet serve head`, or `serve HOST:PORT` on the others."""

from __future__ import annotations

import argparse
import os
import queue
import sys
import threading
from pathlib import Path

from harness.errors import HarnessFaultError, UserError


def main(arguments: list[str] | None = None) -> int:
    """Run one command. Returns 0, 2 for bad usage or a machine that cannot judge, 3 for a fault of the harness."""
    parsed = _parser().parse_args(arguments)
    try:
        return _judge(parsed.place, parsed.places) if parsed.command == "judge" else _serve(parsed)
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except HarnessFaultError as error:
        print(f"error: the harness failed: {error}", file=sys.stderr)
        return 3
    except KeyboardInterrupt:
        return 130


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m harness.fleet", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    serve = commands.add_parser(
        "serve",
        help="judge for a cluster",
        description="Judge for a cluster until Ctrl-C. Needs the extra 'fleet'.",
    )
    serve.add_argument("head", metavar="head|HOST:PORT", help="be the head, or join the head at this address")
    serve.add_argument(
        "--address",
        default="",
        metavar="ADDRESS",
        help="this machine's address in the cluster's own network (default: found by Ray)",
    )
    serve.add_argument(
        "--port", type=int, default=6379, help="port of the head for workers (default: %(default)s)"
    )
    serve.add_argument(
        "--client-port",
        type=int,
        default=10001,
        help="port of the head for pytest --workers (default: %(default)s)",
    )
    serve.add_argument(
        "--token", type=Path, metavar="FILE", help="the token (default: fleet-token in the settings)"
    )
    serve.add_argument(
        "--vector",
        default="",
        metavar="UNIT",
        help="offer a narrower vector unit than this machine has (for tests)",
    )
    judge = commands.add_parser("judge", help="judge jobs from standard input; started by --workers local:N")
    judge.add_argument("--place", type=int, default=0, metavar="N", help="number of this process, from 0")
    judge.add_argument(
        "--places", type=int, default=1, metavar="N", help="number of processes that share the cores"
    )
    return parser


def _serve(parsed: argparse.Namespace) -> int:
    from harness.fleet import token_file
    from harness.fleet.serve import ServeOrder, serve

    order = ServeOrder(
        head=None if parsed.head == "head" else parsed.head,
        address=parsed.address,
        port=parsed.port,
        client_port=parsed.client_port,
        token=parsed.token or token_file.usual_place(),
        unit=parsed.vector,
    )
    return serve(order, lambda line: print(line, flush=True))


def _judge(place: int, places: int) -> int:
    """Say what this machine is, then answer each line of standard input with a line; end with the input."""
    from harness.fleet import wire
    from harness.fleet.judging import JobJudge
    from harness.fleet.wire import Job, WireError

    answers = os.fdopen(os.dup(sys.stdout.fileno()), "w", encoding="utf-8")
    # Whatever else prints goes to standard error, not between the answers.
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    lines: queue.Queue[str] = queue.Queue()
    threading.Thread(target=_read_lines, args=(lines,), daemon=True).start()
    judge = JobJudge(lambda line: None, place=place, places=places)
    print(wire.write(judge.facts()), file=answers, flush=True)
    while True:
        try:
            job = wire.read(Job, lines.get())
        except WireError as error:
            raise HarnessFaultError(f"not a job: {error}") from None
        print(wire.write(judge.judge(job)), file=answers, flush=True)


def _read_lines(lines: queue.Queue[str]) -> None:
    """Queue the lines of standard input; at its end, end this process at once, together with its kernel."""
    for line in sys.stdin:
        lines.put(line)
    os._exit(0)


if __name__ == "__main__":
    sys.exit(main())
