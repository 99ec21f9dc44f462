"""Messages of the agents, the next step that follows from them, budgets, and interfaces to other packages."""
