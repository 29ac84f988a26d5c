"""What a check of a data set is made of: scan videos, find problems, write a page.

Nothing heavy is imported here, so that scan processes start fast.
"""
