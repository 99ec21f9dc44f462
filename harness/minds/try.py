"""The program `python -m harness.minds.try`; see harness/trials/command.py."""

# ruff: noqa: N999 (it is run by this name and never imported)

from harness.trials.command import main

if __name__ == "__main__":
    raise SystemExit(main())
