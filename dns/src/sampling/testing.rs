//! Messages with names of any octets.

/// Returns a query for a name of these labels.
pub(in crate::sampling) fn message(labels: &[&[u8]]) -> Vec<u8> {
    let mut message = vec![0, 7, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0];
    for label in labels {
        message.push(u8::try_from(label.len()).unwrap());
        message.extend_from_slice(label);
    }
    message.extend([0, 0, 1, 0, 1]);
    message
}
