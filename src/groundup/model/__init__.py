"""One transformer for every family: its configuration, its layers, the decoder and the key-value cache."""
