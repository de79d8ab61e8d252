"""What users' tests need."""
