"""Mail. It only consumes messages."""
