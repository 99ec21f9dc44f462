"""For one kernel by hand: print the Rust of a schedule, or run a candidate under a debugger."""
