"""What runs inside the processes that execute a project's Python blocks."""
