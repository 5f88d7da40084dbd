"""Random schedules of a courier and a platform that does whatever platforms do; checked outside."""
