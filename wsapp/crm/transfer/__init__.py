"""Transfer (导入导出): books that come in from spreadsheets, and lists that go out as such."""
