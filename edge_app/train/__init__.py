"""Training: data, architectures, fit, quantise. Needs the [train] extra; nothing outside this folder imports it."""
