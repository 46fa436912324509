"""Answers questions of agents over the Model Context Protocol, from one published snapshot at a time."""
