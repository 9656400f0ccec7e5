"""Labelled pictures, wherever they lie."""
