"""Training, from pictures to a quantised model. Needs the [train] extra; only commands import it, when run."""
