"""Predictions and features of videos from a checkpoint alone."""
