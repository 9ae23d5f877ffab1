"""Text to ids and back: byte-pair encoding that can be read, and the tokenizers of every model."""
