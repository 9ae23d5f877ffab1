"""Evaluation: what a model is asked, and the statistics that belong to every number."""
