"""From a patch to a verdict: the model file and its card, the runtime, calibration, the decision over time."""
