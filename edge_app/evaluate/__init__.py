"""Accuracy of a model on labelled pictures, and its report."""
