//! Addresses and node ports for Services.
//!
//! [`assign`] says what each of many Services gets, and a [`ServiceController`] what is to be written into a cluster; a [`Slots`] finds the next free place in constant time, and a
//! [`Banded`] keeps the places that people choose by hand apart from those that are given.

mod assign;
mod banded;
mod book;
mod controller;
mod family_policy;
mod range;
mod slots;
mod state;
mod wish;

pub use assign::{Assignment, Given, HealthCheck, Problem, Ranges, assign};
pub use banded::Banded;
pub use controller::{ServiceController, ServiceSettings};
pub use family_policy::{FamilyPolicy, families_of};
pub use range::{AddressRange, RangeError};
pub use slots::Slots;
pub use state::{
    AddressState, RangeState, RangeUsage, ServiceAction, ServiceInput, ServiceReason, ServiceState,
    Subject,
};
pub use wish::{PortWish, Wish, Written};
