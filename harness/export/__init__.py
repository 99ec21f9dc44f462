"""Taking a kernel home: a crate, ready to be published, from accepted candidates."""
