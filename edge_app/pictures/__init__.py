"""Kinds of picture, each decoded as late and as little as possible; the preprocessing for all uses; drawing."""
