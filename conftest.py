"""Registers the plugin; everything it does is in harness/front_door/plugin.py."""

pytest_plugins = ["harness.front_door.plugin"]
