"""The sandboxed worker process that hosts one kernel, and the client that talks to it."""
