"""The agents: Proposer, Verifier, Coder, Tester and the silent Manager."""
