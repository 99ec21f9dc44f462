"""Measuring scripts. Each writes its figures to results/ and can be run again with one command."""
