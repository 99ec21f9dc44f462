"""The program `python -m harness.minds.try`; see harness/faults/trial.py."""

# ruff: noqa: N999 (it is run by this name and never imported)

from harness.faults.trial import main

if __name__ == "__main__":
    raise SystemExit(main())
