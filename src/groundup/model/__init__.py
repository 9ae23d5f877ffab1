"""One transformer for every family: its configuration, its layers, decoder, encoder and key-value cache."""
