"""Measures what a frame costs, stage by stage, by sending prepared frames through the pipeline: `edge-app bench`."""
