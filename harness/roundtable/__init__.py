"""The round table: Proposer, Verifier, Coder, Tester and Manager evolve kernels. The Manager announces no events."""
