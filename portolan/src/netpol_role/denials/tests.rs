use super::*;
use netpol::Family;

/// The SYN of 10.0.0.1 to 10.0.0.2, as a rule logs it.
fn logged(prefix: &str, port: u8) -> LoggedPacket {
    let mut octets = vec![0x45, 0, 0, 0, 0, 0, 0, 0, 64, 6, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2];
    octets.extend([0x9c, 0x40, 0, port]);
    LoggedPacket { prefix: prefix.to_owned(), octets, hook: 2, input: None, output: None }
}

fn profiles() -> Profiles {
    let profile = Profile {
        direction: Direction::Ingress,
        family: Family::V4,
        mode: Mode::Audit,
        policies: vec![ObjectKey::new("x", "a"), ObjectKey::new("x", "b")],
    };
    [(Name::new("ingress4_1").unwrap(), profile)].into()
}

#[test]
fn a_packet_is_told_with_the_policies_of_its_chain() {
    let cluster = Cluster::default();
    let denial = Denial::read(&cluster, &profiles(), &logged("ingress4_1", 80)).unwrap();
    assert_eq!(denial.mode, Mode::Audit);
    assert_eq!(denial.policy_names(), "x/a, x/b");
    assert_eq!((denial.pod.as_str(), denial.peer.as_str()), ("10.0.0.2", "10.0.0.1"));
    assert_eq!(denial.traffic, Traffic::Tcp(80));

    let gone = Denial::read(&cluster, &profiles(), &logged("egress4_2", 80)).unwrap();
    assert_eq!((gone.pod.as_str(), gone.policies.len()), ("10.0.0.1", 0));
    assert_eq!(Denial::read(&cluster, &profiles(), &logged("somebody's", 80)), None);
}

#[test]
fn a_flow_is_told_once_in_a_window_and_only_so_many() {
    let cluster = Cluster::default();
    let denial = |port: u16| {
        let [high, low] = port.to_be_bytes();
        let mut logged = logged("ingress4_1", low);
        logged.octets[22] = high;
        Denial::read(&cluster, &profiles(), &logged).unwrap()
    };
    let (mut throttle, start) = (Throttle::default(), Instant::now());
    assert_eq!(throttle.admit(&denial(0), start), Ok(()));
    assert_eq!(throttle.admit(&denial(0), start), Err(Skipped::Repeated));
    for port in 1..1000 {
        assert_eq!(throttle.admit(&denial(port), start), Ok(()));
    }
    assert_eq!(throttle.admit(&denial(1000), start), Err(Skipped::TooMany));
    assert_eq!(throttle.admit(&denial(999), start), Err(Skipped::Repeated));
    assert_eq!(throttle.admit(&denial(1000), start + WINDOW), Ok(()));
    assert_eq!(throttle.admit(&denial(0), start + WINDOW), Ok(()));
}
