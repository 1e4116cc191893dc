//! `dnsConfig` on top of what the policy chose.

use std::collections::BTreeSet;

use super::{DnsOption, PodDnsConfig, ResolvConf};

/// Adds a `dnsConfig`: servers and domains behind those that are there, without duplicates; options by their name.
pub(super) fn with_config(base: ResolvConf, config: &PodDnsConfig) -> ResolvConf {
    let added = |base: Vec<String>, more: &[String]| {
        without_duplicates(base.into_iter().chain(more.iter().cloned()))
    };
    ResolvConf {
        nameservers: added(base.nameservers, &config.nameservers),
        searches: added(base.searches, &config.searches),
        options: merge_options(&base.options, &config.options),
    }
}

/// Returns words in the order in which they come first.
pub(super) fn without_duplicates(words: impl Iterator<Item = String>) -> Vec<String> {
    let mut seen = BTreeSet::new();
    words.filter(|word| seen.insert(word.clone())).collect()
}

/// Returns the name of an option as a file has it: what is before the first colon.
pub(super) fn option_name(option: &str) -> &str {
    option.split(':').next().unwrap_or_default()
}

/// Merges options by their name; those of the Pod count. An option with an empty value is written without a colon.
fn merge_options(base: &[String], more: &[DnsOption]) -> Vec<String> {
    let mut merged: Vec<(&str, &str)> = Vec::new();
    let base = base.iter().map(|option| option.split_once(':').unwrap_or((option, "")));
    let more = more.iter().map(|option| {
        let value = option.value.as_deref().unwrap_or_default();
        (option.name.as_str(), value)
    });
    for (name, value) in base.chain(more) {
        match merged.iter_mut().find(|(known, _)| *known == name) {
            Some(earlier) => earlier.1 = value,
            None => merged.push((name, value)),
        }
    }
    let written = merged.into_iter().map(|(name, value)| {
        if value.is_empty() { name.to_owned() } else { format!("{name}:{value}") }
    });
    written.collect()
}
