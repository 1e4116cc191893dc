//! Answers, case by case, and against a second statement of what the zone holds.
