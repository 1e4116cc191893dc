//! Frame Streams, which carries dnstap messages: frames with a length, and control frames with a leading zero
//! (fstrm, `fstrm/control.h`).
//!
//! ```text
//! writer  READY(protobuf:dnstap.Dnstap) ──▶
//!                                       ◀── ACCEPT(protobuf:dnstap.Dnstap)  reader
//!         START(protobuf:dnstap.Dnstap) ──▶
//!         length, payload; length, payload; ... ──▶
//!         STOP ──▶
//!                                       ◀── FINISH
//! ```

/// The content type of dnstap.
pub(crate) const CONTENT_TYPE: &[u8] = b"protobuf:dnstap.Dnstap";

/// The longest control frame that is read, in octets; fstrm's limit, too.
pub(crate) const MAX_CONTROL: u32 = 512;

/// The field of a control frame that has a content type.
const FIELD_CONTENT_TYPE: u32 = 1;

/// The type of a control frame.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Control {
    /// The reader agrees.
    Accept = 1,
    /// Data follow.
    Start = 2,
    /// No more data follow.
    Stop = 3,
    /// The writer asks for agreement.
    Ready = 4,
    /// The reader has everything up to STOP.
    Finish = 5,
}

/// Returns the octets of a control frame; those that agree on something name the content type.
pub(crate) fn control(control: Control) -> Vec<u8> {
    let mut body = (control as u32).to_be_bytes().to_vec();
    if matches!(control, Control::Accept | Control::Start | Control::Ready) {
        body.extend(FIELD_CONTENT_TYPE.to_be_bytes());
        put(&mut body, CONTENT_TYPE);
    }
    let mut frame = vec![0; 4];
    put(&mut frame, &body);
    frame
}

/// Appends a frame with a payload. One that is empty would be read as a control frame, and is left out.
pub(crate) fn push_data(frames: &mut Vec<u8>, payload: &[u8]) {
    if !payload.is_empty() {
        put(frames, payload);
    }
}

/// Appends a length and octets; nothing when they are 4 GiB or more.
fn put(out: &mut Vec<u8>, octets: &[u8]) {
    let Ok(length) = u32::try_from(octets.len()) else { return };
    out.extend(length.to_be_bytes());
    out.extend_from_slice(octets);
}

/// Says whether the body of a control frame, after its length, is of this type and takes dnstap: it names the
/// content type, or none at all.
pub(crate) fn is_control(body: &[u8], control: Control) -> bool {
    let mut rest = body;
    if take_u32(&mut rest) != Some(control as u32) {
        return false;
    }
    let mut content_types = Vec::new();
    while !rest.is_empty() {
        let (Some(field), Some(length)) = (take_u32(&mut rest), take_u32(&mut rest)) else {
            return false;
        };
        let length = usize::try_from(length).unwrap_or(usize::MAX);
        let Some((value, after)) = rest.split_at_checked(length) else { return false };
        if field == FIELD_CONTENT_TYPE {
            content_types.push(value);
        }
        rest = after;
    }
    content_types.is_empty() || content_types.contains(&CONTENT_TYPE)
}

fn take_u32(octets: &mut &[u8]) -> Option<u32> {
    let (word, rest) = octets.split_first_chunk::<4>()?;
    *octets = rest;
    Some(u32::from_be_bytes(*word))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn control_frames() {
        let ready = control(Control::Ready);
        assert_eq!(ready[..16], [0, 0, 0, 0, 0, 0, 0, 34, 0, 0, 0, 4, 0, 0, 0, 1]);
        assert_eq!(ready[16..], [&[0, 0, 0, 22], CONTENT_TYPE].concat());
        assert_eq!(control(Control::Stop), [0, 0, 0, 0, 0, 0, 0, 4, 0, 0, 0, 3]);
        for kind in [Control::Accept, Control::Start, Control::Ready, Control::Finish] {
            assert!(is_control(&control(kind)[8..], kind), "{kind:?}");
            assert!(!is_control(&control(kind)[8..], Control::Stop), "{kind:?}");
        }
    }

    #[test]
    fn agreement_needs_the_content_type() {
        let accept = |fields: &[&[u8]]| [&[0, 0, 0, 1][..], &fields.concat()].concat();
        let other: &[u8] = &[0, 0, 0, 1, 0, 0, 0, 1, b'x'];
        let unknown: &[u8] = &[0, 0, 0, 9, 0, 0, 0, 0];
        let ours = [&[0, 0, 0, 1, 0, 0, 0, 22][..], CONTENT_TYPE].concat();
        for (fields, agreed) in [
            (vec![], true),
            (vec![unknown], true),
            (vec![other], false),
            (vec![other, &ours], true),
            (vec![&ours[..7]], false),
            (vec![&ours[..12]], false),
        ] {
            assert_eq!(is_control(&accept(&fields), Control::Accept), agreed, "{fields:?}");
        }
        assert!(!is_control(&[], Control::Accept));
    }

    #[test]
    fn data_frames() {
        let mut frames = Vec::new();
        push_data(&mut frames, b"ab");
        push_data(&mut frames, b"");
        push_data(&mut frames, b"c");
        assert_eq!(frames, b"\0\0\0\x02ab\0\0\0\x01c");
    }
}
