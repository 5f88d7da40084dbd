"""What others may take as it is: a receiving platform's consumer."""
