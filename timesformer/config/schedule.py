"""When something happens that has a period in epochs."""


def is_due(epoch: int, period: int, num_epochs: int) -> bool:
    """Whether something with this period happens after 0-based ``epoch``; always after the last."""
    return (epoch + 1) % period == 0 or epoch + 1 == num_epochs
