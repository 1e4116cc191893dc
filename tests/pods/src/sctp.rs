//! The first two packets of an SCTP association, on raw sockets: the kernel need not speak SCTP for its packets to be
//! filtered (RFC 9260 §3.3.2, §3.3.3).

/// The IP protocol.
pub const PROTOCOL: i32 = 132;

const INIT: u8 = 1;
const INIT_ACK: u8 = 2;

/// An INIT or INIT ACK that came in.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Chunk {
    /// Port of who sent it.
    pub source: u16,
    /// Port of who got it.
    pub destination: u16,
    /// The tag that the other side has to use.
    pub tag: u32,
    /// It answers an INIT.
    pub is_answer: bool,
}

/// Returns an INIT from port to port. Connection tracking takes it only with a verification tag of zero.
pub fn init(source: u16, destination: u16) -> Vec<u8> {
    packet(source, destination, 0, INIT, &[])
}

/// Returns the INIT ACK to an INIT, with a state cookie, which the standard demands.
pub fn answer(init: &Chunk) -> Vec<u8> {
    let cookie = [0, 7, 0, 8, 1, 2, 3, 4];
    packet(init.destination, init.source, init.tag, INIT_ACK, &cookie)
}

/// Reads a packet without its IP header; none for any other chunk.
pub fn read(packet: &[u8]) -> Option<Chunk> {
    let pair = |at: usize| Some(u16::from_be_bytes(packet.get(at..at + 2)?.try_into().ok()?));
    let tag = u32::from_be_bytes(packet.get(16..20)?.try_into().ok()?);
    let is_answer = match *packet.get(12)? {
        INIT => false,
        INIT_ACK => true,
        _ => return None,
    };
    Some(Chunk { source: pair(0)?, destination: pair(2)?, tag, is_answer })
}

fn packet(source: u16, destination: u16, tag: u32, chunk: u8, parameters: &[u8]) -> Vec<u8> {
    let length = u16::try_from(20 + parameters.len()).unwrap();
    let mut packet = Vec::with_capacity(40);
    packet.extend(source.to_be_bytes());
    packet.extend(destination.to_be_bytes());
    packet.extend(tag.to_be_bytes());
    packet.extend([0; 4]);
    packet.extend([chunk, 0]);
    packet.extend(length.to_be_bytes());
    // Initiate tag, window, one stream out and in, initial TSN.
    packet.extend(0x0a0b_0c0d_u32.to_be_bytes());
    packet.extend(65_535_u32.to_be_bytes());
    packet.extend([0, 1, 0, 1]);
    packet.extend(1_u32.to_be_bytes());
    packet.extend(parameters);
    let checksum = crc32c(&packet);
    packet[8..12].copy_from_slice(&checksum.to_le_bytes());
    packet
}

/// The checksum of SCTP (RFC 9260 appendix A), which connection tracking verifies.
fn crc32c(octets: &[u8]) -> u32 {
    let mut crc = u32::MAX;
    for octet in octets {
        crc ^= u32::from(*octet);
        for _ in 0..8 {
            crc = if crc & 1 == 1 { (crc >> 1) ^ 0x82f6_3b78 } else { crc >> 1 };
        }
    }
    !crc
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_checksum_is_that_of_the_standard() {
        // RFC 3720 §B.4: 32 octets of zeros.
        assert_eq!(crc32c(&[0; 32]), 0x8a91_36aa);
    }

    #[test]
    fn an_answer_goes_back_with_the_tag_of_the_init() {
        let sent = read(&init(1000, 80)).unwrap();
        assert_eq!((sent.source, sent.destination, sent.is_answer), (1000, 80, false));
        let packet = answer(&sent);
        let back = read(&packet).unwrap();
        assert_eq!((back.source, back.destination, back.is_answer), (80, 1000, true));
        assert_eq!(packet[4..8], sent.tag.to_be_bytes());
    }
}
