"""What is sent to platforms, and what their answers mean."""
