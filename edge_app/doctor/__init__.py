"""What is wrong on this machine, and what to do: `edge-app doctor`."""
