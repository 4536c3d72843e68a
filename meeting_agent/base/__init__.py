"""The embedded base model: its corpus, its tokenizer and its training. It never meets an outcome."""
