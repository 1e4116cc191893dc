//! Whether another process listens at an address of this one: a server that takes it over.

use std::fmt::Write;
use std::fs::File;
use std::io::{BufRead, BufReader};
use std::net::{IpAddr, SocketAddr};

/// The state LISTEN in the kernel's tables of sockets.
const LISTEN: &str = "0A";

/// Says whether more than one socket of this network namespace listens at an address, one of which is ours. Where the
/// kernel's table cannot be read, nobody else does.
pub fn is_shared(address: SocketAddr) -> bool {
    listening(address) > 1
}

/// Says whether a socket of this network namespace listens at an address.
pub fn is_served(address: SocketAddr) -> bool {
    listening(address) > 0
}

/// Counts the sockets that listen at an address.
fn listening(address: SocketAddr) -> usize {
    let table = if address.is_ipv4() { "/proc/net/tcp" } else { "/proc/net/tcp6" };
    let Ok(file) = File::open(table) else { return 0 };
    count_listening(BufReader::new(file).lines().map_while(Result::ok), address)
}

/// Counts the listening sockets at an address in a table (proc_net_tcp.rst of the kernel), which names them first.
fn count_listening(table: impl Iterator<Item = String>, address: SocketAddr) -> usize {
    let local = in_table(address);
    let listening = table.skip(1).map_while(|line| {
        let mut columns = line.split_ascii_whitespace().skip(1);
        let (found, _, state) = (columns.next()?, columns.next()?, columns.next()?);
        (state == LISTEN).then(|| found == local)
    });
    listening.filter(|is_ours| *is_ours).count()
}

/// Returns an address as the kernel writes it: words of 32 bits in the order of the machine, and the port.
fn in_table(address: SocketAddr) -> String {
    let octets = match address.ip() {
        IpAddr::V4(ip) => ip.octets().to_vec(),
        IpAddr::V6(ip) => ip.octets().to_vec(),
    };
    let (words, _) = octets.as_chunks::<4>();
    let mut text = String::new();
    for word in words {
        // Writing to a String cannot fail.
        let _ = write!(text, "{:08X}", u32::from_ne_bytes(*word));
    }
    let _ = write!(text, ":{:04X}", address.port());
    text
}

#[cfg(all(test, target_endian = "little"))]
mod tests {
    use super::*;

    #[test]
    fn listening_sockets_at_the_same_address_count() {
        let table = "  sl  local_address rem_address   st tx_queue\n   \
                     0: 0100007F:1F90 00000000:0000 0A 00000000:00000000\n   \
                     1: 00000000:1F90 00000000:0000 0A 00000000:00000000\n   \
                     2: 0100007F:1F90 00000000:0000 0A 00000000:00000000\n   \
                     3: 0100007F:1FF5 00000000:0000 0A 00000000:00000000\n   \
                     4: 0100007F:1FF5 0100007F:C350 01 00000000:00000000\n   \
                     5: 0100007F:1FF5 00000000:0000 0A 00000000:00000000\n";
        for (address, count) in [
            ("127.0.0.1:8080", 2),
            ("0.0.0.0:8080", 1),
            ("127.0.0.1:8181", 1),
            ("127.0.0.2:8080", 0),
        ] {
            let lines = table.lines().map(str::to_owned);
            assert_eq!(count_listening(lines, address.parse().unwrap()), count, "{address}");
        }
        let ipv6 = in_table("[2001:db8::1]:53".parse().unwrap());
        assert_eq!(ipv6, "B80D0120000000000000000001000000:0035");
    }
}
