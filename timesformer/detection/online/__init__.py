"""Which action, while it happens: the windows of a stream, scored as they become whole (``Watcher``)."""
