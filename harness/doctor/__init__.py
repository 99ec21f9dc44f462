"""`python -m harness.doctor`: what this machine has of what the round table needs, and what is missing."""
