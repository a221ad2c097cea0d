"""Drafts (语音记录): one spoken or typed sentence becomes what a form begins with. Nothing is stored here."""
