"""How much one member may write."""

from datetime import timedelta

from handsel.people.members.service import Limit

MESSAGES = Limit("messages", 60, timedelta(minutes=1))
NEW_CONVERSATIONS = Limit("new_conversations", 20, timedelta(days=1))
PAGE_SIZE = 50
MAX_PAGE_SIZE = 200
