"""From a corpus to training batches: documents, their split, token shards, windows and their order."""
