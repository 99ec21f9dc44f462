"""The pytest plugin: hooks, options, collection, the session and what it reports."""
