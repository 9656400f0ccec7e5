"""Settings: their sections, where they come from, the flags of each command."""
