//! Answers, case by case, and against a second statement of what the zone holds.

mod case;
mod client;
mod external;
mod external_names;
mod fixture;
mod headless;
mod multicluster;
mod name_server;
mod nodes_and_types;
mod not_synced;
mod oracle;
mod pods;
mod properties;
mod random;
mod reverse;
mod services;
mod strict;
mod zonal;
