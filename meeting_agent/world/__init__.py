"""The conference: the only subpackage that knows people, time slots and what makes a meeting succeed."""
