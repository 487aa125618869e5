"""Stripe behind the port: separate charges and transfers. The only place that imports its library.

A charge is a PaymentIntent on our own account. A payout is a Transfer to the member's connected
account (``acct_…``) and a Payout from there to their bank; when that comes back, so does the
transfer (``take_back``). Its reference is the transfer's id, since that is what moved our balance.
Evidence, report and webhooks are Stripe's own, in the words of the port.

``client`` is how Stripe is asked and what its errors mean; ``amounts`` its ways to write money;
``read`` turns its objects into answers, ``webhooks`` its events, ``report`` its balance.
"""
