"""What the system costs, measured."""
