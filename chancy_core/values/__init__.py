"""Values: jobs, queues, outcomes and what they are made of; pure, frozen, checked where they are made."""
