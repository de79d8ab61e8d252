"""`chancy bench`: what the user's own database and machine can do, and what limits them."""
