"""Bulk actions (批量操作): the same change to many chosen customers, in the background, undone for a week."""
