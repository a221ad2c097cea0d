"""Customers (客户): the book, its rights and its duplicates."""
