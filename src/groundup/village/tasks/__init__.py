"""Tasks that are made from the village, each with the best score that anyone can reach on it."""
