"""What the agents say to each other, and which step comes next."""
