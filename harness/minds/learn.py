"""The program `python -m harness.minds.learn`; see harness/learning/command.py."""

from harness.learning.command import main

if __name__ == "__main__":
    raise SystemExit(main())
