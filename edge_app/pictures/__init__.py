"""Kinds of picture, each decoded as late and as little as possible; the one preprocessing; drawing."""
