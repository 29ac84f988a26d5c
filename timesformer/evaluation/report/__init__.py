"""Reports on predictions: accuracy with intervals, calibration, comparisons. No model, no torch.

Everything is computed from a file of predictions, of any run of this project or of another program.
"""
