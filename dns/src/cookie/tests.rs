//! The test vectors of RFC 9018 appendix A, and what they leave out.

use data_encoding::HEXLOWER;
use proptest::prelude::*;

use super::*;

const SECRET: &str = "e5e973e5a6b2a43f48e7dc849e37bfcf";

fn octets<const N: usize>(hex: &str) -> [u8; N] {
    HEXLOWER.decode(hex.as_bytes()).unwrap().try_into().unwrap()
}

fn cookie(hex: &str) -> Cookie {
    Cookie::read(&HEXLOWER.decode(hex.as_bytes()).unwrap()).unwrap()
}

fn check(sent: &str, secrets: &[&str], client: &str, now: u32) -> (bool, String) {
    let secrets: Vec<Secret> = secrets.iter().map(|secret| octets(secret)).collect();
    let checked = cookie(sent).checked(&secrets, client.parse().unwrap(), now).checked.unwrap();
    (checked.is_valid, HEXLOWER.encode(&checked.reply))
}

#[test]
fn a_first_cookie() {
    let made = check("2464c4abcf10c957", &[SECRET], "198.51.100.100", 1_559_731_985);
    assert_eq!(made, (false, "010000005cf79f111f8130c3eee29480".into()));
}

#[test]
fn an_older_cookie_is_good_and_renewed() {
    let sent = "2464c4abcf10c957010000005cf79f111f8130c3eee29480";
    let made = check(sent, &[SECRET], "198.51.100.100", 1_559_734_385);
    assert_eq!(made, (true, "010000005cf7a871d4a564a1442aca77".into()));
}

#[test]
fn other_reserved_octets_are_good() {
    let sent = "fc93fc62807ddb8601abcdef5cf78f71a314227b6679ebf5";
    let made = check(sent, &[SECRET], "203.0.113.203", 1_559_734_700);
    // The RFC calls it an hour and 55 minutes old, and thus expired.
    assert_eq!(made, (false, "010000005cf7a9acf73a7810aca2381e".into()));
    let (is_valid, _) = check(sent, &[SECRET], "203.0.113.203", 0x5cf7_8f71 + 60);
    assert!(is_valid);
}

#[test]
fn a_cookie_of_the_secret_before_is_good_and_replaced() {
    let old = "dd3bdf9344b678b185a6f5cb60fca715";
    let new = "445536bcd2513298075a5d379663c962";
    let sent = "22681ab97d52c298010000005cf7c57926556bd0934c72f8";
    let client = "2001:db8:220:1:59de:d0f4:8769:82b8";
    let made = check(sent, &[new, old], client, 1_559_741_961);
    assert_eq!(made, (true, "010000005cf7c609a6bb79d16625507a".into()));
    assert!(!check(sent, &[new], client, 1_559_741_961).0);
}

#[test]
fn lengths() {
    for length in 0..64 {
        let server = Cookie::read(&vec![7; length]).map(|cookie| cookie.server);
        let expected = match length {
            8 => Some(ServerCookie::Absent),
            24 => Some(ServerCookie::Given([7; 16])),
            16..=40 => Some(ServerCookie::Foreign),
            _ => None,
        };
        assert_eq!(server, expected, "{length} octets");
    }
}

#[test]
fn without_secrets_there_is_no_cookie() {
    let sent = cookie("2464c4abcf10c957");
    assert_eq!(sent.checked(&[], "192.0.2.1".parse().unwrap(), 0), sent);
}

proptest! {
    /// Valid from five minutes before its time until an hour after it, whatever the clock; kept for half an hour.
    #[test]
    fn a_cookie_is_good_for_an_hour(made in any::<u32>(), later in -400_i32..4000) {
        let (secret, address) = ([3; 16], "192.0.2.1".parse().unwrap());
        let first = cookie("2464c4abcf10c957").checked(&[secret], address, made);
        let server = ServerCookie::Given(first.checked.unwrap().reply);
        let now = made.wrapping_add_signed(later);
        let again = Cookie { server, ..first }.checked(&[secret], address, now).checked.unwrap();
        prop_assert_eq!(again.is_valid, (-300..=3600).contains(&later));
        let is_kept = ServerCookie::Given(again.reply) == server;
        prop_assert_eq!(is_kept, (-300..1800).contains(&later) || later == 0);
    }

    /// Good for one client cookie, one address and one secret.
    #[test]
    fn a_cookie_is_of_one_client(bit in 0_usize..(24 + 4 + 16) * 8) {
        let made = cookie("2464c4abcf10c957").checked(&[[3; 16]], "192.0.2.1".parse().unwrap(), 9);
        let mut all = [0; 44];
        all[..8].copy_from_slice(&made.client);
        all[8..24].copy_from_slice(&made.checked.unwrap().reply);
        all[24..28].copy_from_slice(&[192, 0, 2, 1]);
        all[28..].copy_from_slice(&[3; 16]);
        all[bit / 8] ^= 1 << (bit % 8);
        let address = IpAddr::from([all[24], all[25], all[26], all[27]]);
        let secret = all[28..].try_into().unwrap();
        let checked = Cookie::read(&all[..24]).unwrap().checked(&[secret], address, 9);
        prop_assert!(!checked.checked.unwrap().is_valid);
    }
}
