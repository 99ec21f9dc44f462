"""The round table: Proposer, Verifier, Coder, Tester and the silent Manager evolve kernels."""
