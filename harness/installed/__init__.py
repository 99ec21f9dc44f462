"""What an installed distribution adds to every pytest session; installed as the package matmul_round_table.

The project's own package is called harness, as many other people's are. So it is installed inside of
matmul_round_table, which other projects do not import, and becomes importable in a round table only. Nothing here
imports it.
"""
