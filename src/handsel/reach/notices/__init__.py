"""Notices: what a member should hear of, in the app.

Owns ``reach.notices``. What holds here: the same happening is told once (member, dedupe key), also
when its event is delivered again; a notice is never changed but for being read. ``front/worker``
turns events into calls of ``service.deliver``; the words are data, in ``texts.toml``.
"""
