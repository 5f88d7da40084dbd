"""The real tables that HUB_REFERENCE_DATA names, all the way through the hub."""
