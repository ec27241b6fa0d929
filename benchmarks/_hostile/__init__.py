"""Hostile clients, and what they are answered."""
