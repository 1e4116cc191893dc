//! Addresses and node ports for Services.
//!
//! [`assign`] says what each of many Services gets; a [`Slots`] finds the next free place in constant time, and a
//! [`Banded`] keeps the places that people choose by hand apart from those that are given.

mod assign;
mod banded;
mod family_policy;
mod range;
mod slots;
mod wish;

pub use assign::{Assignment, Given, Problem, Ranges, assign};
pub use banded::Banded;
pub use family_policy::{FamilyPolicy, families_of};
pub use range::{AddressRange, RangeError};
pub use slots::Slots;
pub use wish::{PortWish, Wish, Written};
