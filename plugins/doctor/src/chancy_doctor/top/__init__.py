"""One screen: what waits, who works, what fails, and what is wrong."""
