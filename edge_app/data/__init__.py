"""Labelled pictures: CIFAR-10, or a folder for each label."""
