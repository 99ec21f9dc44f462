"""The folders of the checkout that the harness reads and writes."""

from __future__ import annotations

from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
CORPUS = ROOT / "corpus"
REFERENCE = ROOT / "reference"
RESULTS = ROOT / "results"
