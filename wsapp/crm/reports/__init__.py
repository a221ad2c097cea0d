"""Work reports (工作汇报): a day or a week in a few words, filled in from what was logged, handed to the manager."""
