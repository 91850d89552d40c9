"""Readers of every data format, and what they give back."""
