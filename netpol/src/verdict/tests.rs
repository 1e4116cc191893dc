//! The corners of the specification, one by one.
