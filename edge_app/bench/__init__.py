"""What a frame costs: `edge-app bench`. Prepared frames go through the pipeline itself, stage by stage."""
