"""The five agents, their prompts, and the functions with which they query a model and read its answers."""
