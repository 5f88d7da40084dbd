"""Requests to platforms and the meaning of their answers, one folder per kind of target.

A kind is a folder here: `protocol.py` holds its `TargetProtocol` and is pure, `client.py` sends the
requests (`Platform` of `platform.py`), `settings.py` is what a site says of it. One line in
`TARGET_KINDS` of `hub/workers/carriers.py` joins them. A kind reached by topic has no protocol: its
deliveries are produced in the transaction of their intents.
"""
