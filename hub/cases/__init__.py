"""People's slow loops: agents that remind, escalate and state what is missing, on Faust."""
