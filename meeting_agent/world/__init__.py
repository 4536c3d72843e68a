"""The conference: the only part that knows people, slots and what makes a meeting succeed."""
