"""The embedded base model: its corpus, its tokenizer and its training. It is never trained on outcomes."""
