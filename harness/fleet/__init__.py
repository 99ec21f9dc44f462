"""A fleet: candidates are judged by several processes of this machine, or by several machines."""
