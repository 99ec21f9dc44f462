"""Chroma: connection, collections, embedders and error messages, shared by memory and corpus."""
