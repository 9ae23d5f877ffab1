"""One file per group of episodes that happen in documents. Each defines EPISODES, a tuple of `Episode`."""
