"""The library of papers: manifest, download, text extraction, passages, search."""
