"""Readers of what others write, fed with damaged samples: `mutation.py` makes them."""
