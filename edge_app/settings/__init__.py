"""Settings: their sections, their sources, and the flags of each command."""
