"""A user's own tables, in whatever form a program saved them."""
