"""Models behind an OpenAI-compatible server: what they say, and what goes wrong with them."""
