"""Tasks and reminders (待办、提醒): what is due, for whom, and when to say so."""
