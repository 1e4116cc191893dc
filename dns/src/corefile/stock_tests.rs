//! The Corefiles that clusters ship.

use super::files::memory::MemoryFiles;
use super::outline::{parse_alone, parse_with};
use super::{Corefile, zone_keys};

const KUBEADM: &str = r"
.:53 {
    errors
    health {
       lameduck 5s
    }
    ready
    kubernetes cluster.local in-addr.arpa ip6.arpa {
       pods insecure
       fallthrough in-addr.arpa ip6.arpa
       ttl 30
    }
    prometheus :9153
    forward . /etc/resolv.conf {
       max_concurrent 1000
    }
    cache 30 {
       disable success cluster.local
       disable denial cluster.local
    }
    loop
    reload
    loadbalance
}
";

const K3S: &str = r"
.:53 {
    errors
    health
    ready
    kubernetes cluster.local in-addr.arpa ip6.arpa {
      pods insecure
      fallthrough in-addr.arpa ip6.arpa
    }
    hosts /etc/coredns/NodeHosts {
      ttl 60
      reload 15s
      fallthrough
    }
    prometheus :9153
    forward . /etc/resolv.conf
    cache 30
    loop
    reload
    loadbalance
    import /etc/coredns/custom/*.override
}
import /etc/coredns/custom/*.server
";

const EKS: &str = r"
.:53 {
    errors
    health {
        lameduck 5s
      }
    ready
    kubernetes cluster.local in-addr.arpa ip6.arpa {
      pods insecure
      fallthrough in-addr.arpa ip6.arpa
    }
    prometheus :9153
    forward . /etc/resolv.conf
    cache 30
    loop
    reload
    loadbalance
}
";

const AKS: &str = r#"
.:53 {
    errors
    ready
    health {
      lameduck 5s
    }
    kubernetes cluster.local in-addr.arpa ip6.arpa {
      pods insecure
      fallthrough in-addr.arpa ip6.arpa
      ttl 30
    }
    prometheus :9153
    forward . /etc/resolv.conf
    cache 30
    loop
    reload
    loadbalance
    import custom/*.override
    template ANY ANY internal.cloudapp.net {
      match "^(?:[^.]+\.){4,}internal\.cloudapp\.net\.$"
      rcode NXDOMAIN
      fallthrough
    }
    template ANY ANY reddog.microsoft.com {
      rcode NXDOMAIN
    }
}
import custom/*.server
"#;

const OPENSHIFT: &str = r"
.:5353 {
    bufsize 1232
    errors
    log . {
        class error
    }
    health {
        lameduck 20s
    }
    ready
    kubernetes cluster.local in-addr.arpa ip6.arpa {
        pods insecure
        fallthrough in-addr.arpa ip6.arpa
    }
    prometheus 127.0.0.1:9153
    forward . /etc/resolv.conf {
        policy sequential
    }
    cache 900 {
        denial 9984 30
    }
    reload
}
hostname.bind:5353 {
    chaos
}
";

const NODELOCAL: &str = r"
cluster.local:53 {
    errors
    cache {
        success 9984 30
        denial 9984 5
    }
    reload
    loop
    bind 169.254.20.10 10.96.0.10
    forward . 10.96.0.10 {
        force_tcp
    }
    prometheus :9253
    health 169.254.20.10:8080
    }
in-addr.arpa:53 {
    errors
    cache 30
    reload
    loop
    bind 169.254.20.10 10.96.0.10
    forward . 10.96.0.10 {
        force_tcp
    }
    prometheus :9253
    }
ip6.arpa:53 {
    errors
    cache 30
    reload
    loop
    bind 169.254.20.10 10.96.0.10
    forward . 10.96.0.10 {
        force_tcp
    }
    prometheus :9253
    }
.:53 {
    errors
    cache 30
    reload
    loop
    bind 169.254.20.10 10.96.0.10
    forward . /etc/resolv.conf
    prometheus :9253
    }
";

fn directive_counts(corefile: &Corefile) -> Vec<usize> {
    let count = |block: &super::ServerBlock| block.directives.len();
    corefile.blocks.iter().map(count).collect()
}

#[test]
fn stock_corefiles_parse() {
    for (name, text, counts, warnings) in [
        ("kubeadm", KUBEADM, &[10][..], 0),
        ("k3s", K3S, &[11], 2),
        ("EKS", EKS, &[10], 0),
        ("AKS", AKS, &[12], 2),
        ("OpenShift", OPENSHIFT, &[10, 1], 0),
        ("NodeLocal", NODELOCAL, &[8, 7, 7, 7], 0),
    ] {
        let corefile = parse_alone(text).unwrap();
        assert_eq!(directive_counts(&corefile), counts, "{name}");
        assert_eq!(corefile.warnings.len(), warnings, "{name}");
        for key in corefile.blocks.iter().flat_map(|block| &block.keys) {
            assert_eq!(zone_keys(&key.text, 53).unwrap().len(), 1, "{name}");
        }
        let printed = corefile.to_string();
        assert_eq!(parse_alone(&printed).unwrap().to_string(), printed, "{name}");
    }
}

#[test]
fn custom_files_join_in() {
    let files = MemoryFiles::new([
        ("/etc/coredns/custom/log.override", "log\n"),
        ("/etc/coredns/custom/corp.server", "corp:53 {\n  forward . 10.0.0.1\n}\n"),
    ]);
    for (text, counts) in [(K3S, [12, 1]), (AKS, [13, 1])] {
        let corefile = parse_with(text, &files).unwrap();
        assert_eq!(directive_counts(&corefile), counts);
        assert!(corefile.warnings.is_empty());
    }
}
