"""Search (搜索): one box over names, pinyin, initials, phone endings, follow-up texts and tasks."""
