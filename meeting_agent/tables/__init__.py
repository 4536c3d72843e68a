"""Reads a user's own tables (CSV or Excel) in the formats that programs save."""
