"""Training, from pictures to a quantised model. Needs the [train] extra; only `commands/train.py` imports it."""
