//! DNS Cookies (RFC 7873) as servers of any make read each other's (RFC 9018).
//!
//! ```text
//! COOKIE option:  client cookie (8) ‖ server cookie (0, or 8 to 32)
//! ours:           version 1 (1) ‖ reserved (3) ‖ seconds (4) ‖ SipHash-2-4 (8)
//! ```
//!
//! A client that shows a cookie of this server has received a reply at its address: the address is not forged.

use std::net::IpAddr;

use siphasher::sip::SipHasher24;

/// The option code of COOKIE (RFC 7873 §4).
pub const OPTION_COOKIE: u16 = 10;

/// Octets of a client cookie.
const CLIENT: usize = 8;

/// Octets of a server cookie of this server (RFC 9018 §4).
const SERVER: usize = 16;

/// The most octets of a server cookie of any server (RFC 7873 §4).
const MAX_SERVER: usize = 32;

/// The only version of interoperable cookies (RFC 9018 §4.1).
const VERSION: u8 = 1;

/// How old a cookie may be, in seconds (RFC 9018 §4.3).
const MAX_AGE: i32 = 3600;

/// How far in the future a cookie may be made, in seconds (RFC 9018 §4.3).
const MAX_AHEAD: i32 = 300;

/// The age in seconds from which on a client gets another one (RFC 9018 §4.3).
const RENEW: i32 = 1800;

/// A key that server cookies are made with (RFC 9018 §4.4).
pub type Secret = [u8; 16];

/// The COOKIE option of a query.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Cookie {
    /// The client cookie, which the reply repeats.
    pub client: [u8; CLIENT],
    /// What the client sent as the server's.
    pub server: ServerCookie,
    /// What the server makes of it; none when it does without cookies.
    pub checked: Option<CheckedCookie>,
}

/// The server cookie that a client sent.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ServerCookie {
    /// None: the client has not got one yet.
    Absent,
    /// One of the length of this server's.
    Given([u8; SERVER]),
    /// One of another length, which another server made.
    Foreign,
}

/// The server's side of a cookie.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct CheckedCookie {
    /// Whether the client sent a server cookie that this server, or one with the same secret, gave to its address.
    pub is_valid: bool,
    /// The server cookie for the reply.
    pub reply: [u8; SERVER],
}

impl Cookie {
    /// Reads the data of an option; none when its length is none of RFC 7873 §4, which is a FORMERR (§5.2.2).
    pub fn read(data: &[u8]) -> Option<Self> {
        let (client, rest) = data.split_first_chunk()?;
        let server = match rest.len() {
            0 => ServerCookie::Absent,
            SERVER => ServerCookie::Given(rest.try_into().ok()?),
            CLIENT..=MAX_SERVER => ServerCookie::Foreign,
            _ => return None,
        };
        Some(Self { client: *client, server, checked: None })
    }

    /// Returns the same cookie with what the server makes of it.
    ///
    /// The first secret makes cookies, the others are those that it made them with before, or will: a cookie of
    /// each is valid (RFC 9018 §5). `now` is the time in seconds since 1970, modulo 2^32. Without secrets the
    /// server does without cookies.
    #[must_use]
    pub fn checked(self, secrets: &[Secret], client: IpAddr, now: u32) -> Self {
        let checked = secrets.first().map(|making| {
            let known = match self.server {
                ServerCookie::Given(server) => Some(server)
                    .filter(|server| is_timely(server, now))
                    .filter(|server| secrets.iter().any(|s| self.is_made_with(s, client, server))),
                ServerCookie::Absent | ServerCookie::Foreign => None,
            };
            // One of an older secret is replaced at once, because that secret will go.
            let kept = known.filter(|server| {
                age(server, now) < RENEW && self.is_made_with(making, client, server)
            });
            let reply = kept.unwrap_or_else(|| self.made_with(making, client, header(now)));
            CheckedCookie { is_valid: known.is_some(), reply }
        });
        Self { checked, ..self }
    }

    fn is_made_with(&self, secret: &Secret, client: IpAddr, server: &[u8; SERVER]) -> bool {
        let [head @ .., _, _, _, _, _, _, _, _] = *server;
        let made = self.made_with(secret, client, head);
        // As long for every cookie, so that the time does not tell how many octets were right.
        made.iter().zip(server).fold(0, |differing, (one, other)| differing | (one ^ other)) == 0
    }

    fn made_with(&self, secret: &Secret, client: IpAddr, head: [u8; 8]) -> [u8; SERVER] {
        // Client cookie, the first half of the server's, and an address of 4 or 16 octets.
        let mut input = [0; CLIENT + 8 + 16];
        input[..CLIENT].copy_from_slice(&self.client);
        input[CLIENT..CLIENT + 8].copy_from_slice(&head);
        let length = CLIENT + 8 + write_address(&mut input[CLIENT + 8..], client);
        let hash = SipHasher24::new_with_key(secret).hash(&input[..length]);
        let mut cookie = [0; SERVER];
        cookie[..8].copy_from_slice(&head);
        cookie[8..].copy_from_slice(&hash.to_le_bytes());
        cookie
    }
}

/// Writes the octets of an address, and says how many.
fn write_address(to: &mut [u8], address: IpAddr) -> usize {
    match address {
        IpAddr::V4(v4) => to[..4].copy_from_slice(&v4.octets()),
        IpAddr::V6(v6) => to.copy_from_slice(&v6.octets()),
    }
    if address.is_ipv4() { 4 } else { 16 }
}

/// Returns the first half of a cookie that is made at this time.
fn header(now: u32) -> [u8; 8] {
    let [a, b, c, d] = now.to_be_bytes();
    [VERSION, 0, 0, 0, a, b, c, d]
}

fn is_timely(server: &[u8; SERVER], now: u32) -> bool {
    server[0] == VERSION && (-MAX_AHEAD..=MAX_AGE).contains(&age(server, now))
}

/// Returns the seconds since a cookie was made, by serial number arithmetic (RFC 1982).
fn age(server: &[u8; SERVER], now: u32) -> i32 {
    let made = u32::from_be_bytes([server[4], server[5], server[6], server[7]]);
    now.wrapping_sub(made).cast_signed()
}

#[cfg(test)]
mod tests;
