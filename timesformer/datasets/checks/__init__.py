"""What ``tools/check_data.py`` is made of: scan videos, find problems, write a page.

Nothing heavy is imported here, so that scan processes start fast.
"""
