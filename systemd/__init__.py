"""What `edge-app service install` installs: the unit, its drop-ins, an example configuration."""
