"""Registers the plugin; everything it does is in harness/plugin.py."""

pytest_plugins = ["harness.plugin"]
