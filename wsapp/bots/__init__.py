"""Bots (机器人): what people say to the app in a chat, answered within their own rights.

`commands` understands a line, `moments` the time that it names, `answers` reads, `drafts` writes: only after the person
pressed 确认 on a card of their own. `talk` is where a message comes in and where its answer is put together.
"""
