"""Members: sign-up, log-in, sessions, verified facts, public profiles, and limits on attempts.

Owns ``people.members``, ``sessions``, ``codes``, ``verifications``, ``limits``,
``sandbox_messages``. What holds here:

- Others see the handle, the bio, since when, and which kinds of facts are verified; never a name,
  an e-mail address or a phone number.
- Nobody learns whether an account exists: an unknown and a wrong log-in answer alike, in bytes and
  in time. (The handle is public; a sign-up says that an address cannot be used, not why.)
- Tokens, passwords and codes are stored so that a copy of the tables opens nothing.
- A try is counted before it is judged, in a transaction of its own, so a refusal cannot undo it.

Every floor above calls ``service``; ``people.verified_kinds`` and ``people.joined_at`` are for SQL.
"""
