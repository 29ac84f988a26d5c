"""Reports on predictions: accuracy with intervals, calibration, comparisons. No model is needed.

Everything is computed from a file of predictions, of any run of this project or of another program.
Torch is imported for pickles and fusions alone.
"""
