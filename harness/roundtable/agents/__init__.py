"""The agents, their prompts, and what they need to think."""
