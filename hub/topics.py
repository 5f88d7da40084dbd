"""Topics as code: reads topics/*.yaml, plans and applies the difference."""
