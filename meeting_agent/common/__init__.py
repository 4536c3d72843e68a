"""Shared basics: files and their ownership, settings, text, processes, hardware."""
