"""The database: where it runs, how it is reached, and the unit of work, which alone commits.

asyncpg is the one way in. SQL is written where it is used, in a domain's ``queries`` and
``service``; hot writes are SQL functions that the unit of work sends together in one statement.
"""
