"""Custom fields (自定义字段): what a corp adds to its records, and the forms in which they are filled in."""
