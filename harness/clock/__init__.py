"""How fast is it? Pairs against BLAS, intervals, the physics floor."""
