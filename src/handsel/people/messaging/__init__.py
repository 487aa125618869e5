"""Messaging: one conversation per pair of people, which outlives what they talk about.

Owns ``people.conversations`` and ``people.messages``. What holds here:

- A pair has one conversation (a unique sorted pair), nobody talks to themselves.
- Messages are only ever appended, numbered without gaps under the conversation's row lock, and each
  carries the hash of the one before: ``people.message_chain_breaks`` names what was altered.
- Who sees message n sees every message before it: the lock is held until the commit, so a poll by
  ``after`` misses nothing (a clock or a sequence would: a late commit could carry an early value).

Higher floors put a card (an opaque kind and reference) into a conversation by ``attach_card``.
"""
