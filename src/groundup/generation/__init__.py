"""Generation: from logits to a token, and from a prompt to a text, piece by piece."""
