"""Options and error handling shared by the command lines of memory and corpus."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable

from harness.errors import UserError
from harness.places import RESULTS

DEFAULT_MEMORY = str(RESULTS / "local" / "memory")


def add_memory_options(parser: argparse.ArgumentParser) -> None:
    """Add --memory and --embedder, with their defaults in the help."""
    parser.add_argument(
        "--memory",
        default=DEFAULT_MEMORY,
        help="folder, or http://host:port of a `chroma run` (default: %(default)s)",
    )
    parser.add_argument(
        "--embedder",
        default="hashed",
        help="hashed or minilm (offline), a sentence-transformers folder, or a hub name such as BAAI/bge-base-en-v1.5 "
        "(default: %(default)s)",
    )


def guarded(command: Callable[[argparse.Namespace], int], parsed: argparse.Namespace) -> int:
    """Run a command and return its exit code: 2 with one line on stderr for a UserError, 130 for Ctrl-C."""
    try:
        code = command(parsed)
        sys.stdout.flush()
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("interrupted; what is done stays, run the command again to go on", file=sys.stderr)
        return 130
    except BrokenPipeError:
        # The reader (head, less) closed the pipe; keep the interpreter's flush at exit from failing too.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    return code
