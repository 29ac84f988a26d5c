"""TimeSformer: train, fine-tune and evaluate video transformers from a YAML file.

Nothing heavy is imported here, so that ``import timesformer`` and ``--help`` answer at once.
"""

__version__ = "0.1.0"
