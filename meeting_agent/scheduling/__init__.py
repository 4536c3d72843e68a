"""Who should meet: a question about two people, and a schedule for all."""
