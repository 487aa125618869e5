"""Protection claims: a member who lost money through a stolen account is made good.

Owns ``money.claims``, ``claim_items``, ``claim_steps``, ``fund_ratios`` and the policy in
``protection.toml``. Filing locks the account (people/members), stops payouts that were not sent
(payments) and, within the policy, lends a part of the loss from the protection fund. A decision by
staff, or the deadline, makes it final or takes it back.

What holds here: no loss is in two claims, nobody has two open ones; no more is paid than was lost
and has not come back since; every unit is a transfer under the claim's id; the member knows at any
time what happens next and by when. Called by the API, the worker and the desk.
"""
