"""Applications: answer whether two people should meet, and make a schedule for all attendees."""
