"""Is it the product? Shapes, values, oracles, and the client of the sandboxed worker."""
