"""Damage of every kind to every file of a warehouse directory, and what a sync then does."""
