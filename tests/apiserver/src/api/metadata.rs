//! What the server itself writes into `metadata`: uid, times, generation, generated names.

use std::hash::{BuildHasher, Hasher, RandomState};

use serde_json::Value;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

/// Fields of `metadata` a client cannot change.
const OWNED: [&str; 5] = ["uid", "creationTimestamp", "deletionTimestamp", "generation", "name"];

/// Letters of generated name suffixes: no vowels and nothing easily mistaken, as in apimachinery.
const SUFFIX_LETTERS: &[u8] = b"bcdfghjklmnpqrstvwxz2456789";

/// Stamps a new object.
pub fn stamp_new(object: &mut Value) {
    let metadata = &mut object["metadata"];
    metadata["uid"] = uid().into();
    metadata["creationTimestamp"] = now().into();
    metadata["generation"] = 1.into();
}

/// Carries the fields a client cannot change over from the old object.
pub fn keep_owned(old: &Value, new: &mut Value) {
    for field in OWNED {
        let kept = old["metadata"][field].clone();
        if kept.is_null() {
            remove(&mut new["metadata"], field);
        } else {
            new["metadata"][field] = kept;
        }
    }
}

/// Raises the generation when anything but metadata and status differs.
pub fn raise_generation(old: &Value, new: &mut Value) {
    if content(old) != content(new) {
        let generation = old["metadata"]["generation"].as_u64().unwrap_or(1);
        new["metadata"]["generation"] = (generation + 1).into();
    }
}

/// Marks an object whose finalizers have to run first as being deleted.
pub fn mark_deleted(object: &mut Value) {
    object["metadata"]["deletionTimestamp"] = now().into();
    object["metadata"]["deletionGracePeriodSeconds"] = 0.into();
}

/// Whether finalizers hold the object back.
pub fn has_finalizers(object: &Value) -> bool {
    object["metadata"]["finalizers"].as_array().is_some_and(|list| !list.is_empty())
}

/// Removes a field of an object.
pub fn remove(object: &mut Value, field: &str) {
    if let Some(fields) = object.as_object_mut() {
        fields.remove(field);
    }
}

/// Returns a name from `metadata.generateName`: the prefix and five random letters.
pub fn generated_name(prefix: &str) -> String {
    let mut number = random();
    let letters = SUFFIX_LETTERS.len() as u64;
    let suffix = (0..5).map(|_| {
        let letter = SUFFIX_LETTERS[usize::try_from(number % letters).unwrap_or(0)];
        number /= letters;
        char::from(letter)
    });
    prefix.chars().chain(suffix.collect::<Vec<_>>()).collect()
}

/// Returns 64 bits that differ from call to call: enough for tests, not for secrets.
pub fn random() -> u64 {
    // Every RandomState has keys of its own, seeded by the operating system.
    RandomState::new().build_hasher().finish()
}

fn uid() -> String {
    let (high, low) = (random(), random());
    // Version 4 and variant 1 bits, RFC 9562 §5.4.
    let high = high & !0xf000 | 0x4000;
    let low = low & !(0b11 << 62) | 0b10 << 62;
    let (first, second, third) = (high >> 32, high >> 16 & 0xffff, high & 0xffff);
    let (fourth, fifth) = (low >> 48, low & 0xffff_ffff_ffff);
    format!("{first:08x}-{second:04x}-{third:04x}-{fourth:04x}-{fifth:012x}")
}

fn now() -> String {
    let now = OffsetDateTime::now_utc();
    let now = now.replace_nanosecond(0).unwrap_or(now);
    now.format(&Rfc3339).unwrap_or_default()
}

fn content(object: &Value) -> Vec<(&String, &Value)> {
    let fields = object.as_object().into_iter().flatten();
    fields.filter(|(field, _)| !["metadata", "status"].contains(&field.as_str())).collect()
}
