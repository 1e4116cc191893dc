//! What each Corefile answers, and a typo in it.

/// Where to ask (127.0.0.1:53 if empty), what as `dig` takes it, and what has to come back: the status and the
/// sorted data of the answers. `>` stands before data in their order, `~` before a part of what `dig` shows, `#`
/// before a part of a line that the server logs.
pub(crate) type Question = (&'static str, &'static str, &'static str);

/// A Corefile of the fixtures.
pub(crate) struct Case {
    /// The file, without `.Corefile`.
    pub(crate) name: &'static str,
    /// What shows its point.
    pub(crate) questions: &'static [Question],
    /// Parts of the warnings of `portolan check`, in their order.
    pub(crate) warnings: &'static [&'static str],
    /// A text of it, what somebody may write instead, and a part of what is said about that.
    pub(crate) typo: (&'static str, &'static str, &'static str),
}

const CLUSTER: Question = ("", "web.alpha.svc.cluster.local", "NOERROR 10.97.0.12");
const REVERSE: Question = ("", "-x 10.97.0.12", "NOERROR web.alpha.svc.cluster.local.");
const OUTSIDE: Question = ("", "example.com", "NOERROR 192.0.2.80");
const CORP: Question = ("", "wiki.corp.example", "NOERROR 198.51.100.80");
const DELAY_30: &str = "changed addresses up to 30 s late and new Services up to 30 s late; write 'disable success \
                        cluster.local' and 'disable denial cluster.local'";
const DELAY_5: &str = "changed addresses up to 5 s late and new Services up to 5 s late";

pub(crate) const CASES: &[Case] = &[
    Case {
        name: "kubeadm",
        questions: &[CLUSTER, REVERSE, OUTSIDE, ("", "web.alpha.svc.cluster.local", "~30	IN	A")],
        warnings: &[],
        typo: ("pods insecure", "pods insecur", "use disabled, insecure or verified"),
    },
    Case {
        name: "cluster-addons",
        questions: &[CLUSTER, REVERSE, OUTSIDE],
        warnings: &[DELAY_30],
        typo: ("lameduck 5s", "lameduck 5", "'5'"),
    },
    Case {
        name: "k3s",
        questions: &[
            CLUSTER,
            OUTSIDE,
            ("", "node-1", "NOERROR 10.0.0.11"),
            CORP,
            ("", "node-2", "#node-2."),
        ],
        warnings: &[DELAY_5],
        typo: (
            "NodeHosts {\n        ttl 60",
            "NodeHosts {\n        tll 60",
            "there is ttl, no_reverse",
        ),
    },
    Case {
        name: "rke2",
        questions: &[CLUSTER, REVERSE, OUTSIDE],
        warnings: &[DELAY_30],
        typo: ("    loadbalance", "    loadblance", "did you mean 'loadbalance'?"),
    },
    Case {
        name: "eks",
        questions: &[CLUSTER, REVERSE, OUTSIDE],
        warnings: &[DELAY_5],
        typo: ("    prometheus :9153", "    prometeus :9153", "did you mean 'prometheus'?"),
    },
    Case {
        name: "aks",
        questions: &[
            CLUSTER,
            OUTSIDE,
            CORP,
            ("", "a.b.c.d.internal.cloudapp.net", "NXDOMAIN"),
            ("", "vm.reddog.microsoft.com", "NXDOMAIN"),
        ],
        warnings: &[DELAY_30],
        typo: ("rcode NXDOMAIN", "rcode NXDOMIAN", "'NXDOMIAN'"),
    },
    Case {
        name: "aks-localdns",
        questions: &[
            ("169.254.10.10:53", "example.com", "NOERROR 192.0.2.80"),
            ("169.254.10.10:53", "web.alpha.svc.cluster.local", "NOERROR 10.97.0.12"),
            ("169.254.10.11:53", "example.com", "NOERROR 198.51.100.81"),
            ("169.254.10.11:53", "health-check.localdns.local", "~169.254.10.11"),
            ("169.254.10.10:53", "example.com +nsid", "~localdns"),
        ],
        warnings: &[],
        typo: ("policy sequential", "policy sequental", "sequential"),
    },
    Case {
        name: "gke-stub-domains",
        questions: &[
            CLUSTER,
            OUTSIDE,
            CORP,
            ("", "consul.service.consul", "NOERROR 198.51.100.85"),
        ],
        warnings: &[DELAY_30],
        typo: ("max_concurrent 1000", "max_concurent 1000", "nknown property 'max_concurent'"),
    },
    Case {
        name: "openshift",
        questions: &[
            ("127.0.0.1:5353", "web.alpha.svc.cluster.local", "NOERROR 10.97.0.12"),
            ("127.0.0.1:5353", "example.com", "NOERROR 192.0.2.80"),
            ("127.0.0.1:5353", "hostname.bind CH TXT", "~status: NOERROR"),
        ],
        warnings: &[DELAY_5],
        typo: ("bufsize 1232", "bufsize 123", "512"),
    },
    Case {
        name: "nodelocal",
        questions: &[
            ("169.254.20.10:53", "web.alpha.svc.cluster.local", "NOERROR 10.97.0.12"),
            ("10.96.0.10:53", "-x 10.97.0.12", "NOERROR web.alpha.svc.cluster.local."),
            ("10.96.0.10:53", "example.com", "NOERROR 192.0.2.80"),
        ],
        warnings: &[],
        typo: ("success 9984 30", "succes 9984 30", "success"),
    },
    Case {
        name: "snippets",
        questions: &[OUTSIDE, CORP, ("", "edge.example.org", "NOERROR 192.0.2.81")],
        warnings: &[],
        typo: (
            "    import upstreams\n    cache",
            "    import upstream\n    cache",
            "no snippet of that name",
        ),
    },
    Case {
        name: "split-horizon",
        questions: &[
            ("", "example.com", "NOERROR 198.51.100.81"),
            ("", "example.com -b 192.0.2.1", "NOERROR 192.0.2.80"),
            ("", "example.com -b 192.0.2.1 +tcp", "NOERROR 203.0.113.6"),
        ],
        warnings: &[],
        typo: ("incidr(client_ip()", "incidr(clientip()", "clientip"),
    },
    Case {
        name: "stub-zone-tls",
        questions: &[OUTSIDE, CORP],
        warnings: &[],
        typo: ("tls://198.51.100.54:853", "tsl://198.51.100.54:853", "tsl"),
    },
    Case {
        name: "stub-zone-https",
        // Nobody is there: the failure tells where the question was sent.
        questions: &[OUTSIDE, ("", "wiki.corp.example", "~EDE: 23 (Network Error)")],
        warnings: &[],
        typo: ("doh_method GET", "doh_method PUT", "GET"),
    },
    Case {
        name: "conditional-forwarding",
        questions: &[
            OUTSIDE,
            CORP,
            ("", "consul.service.consul", "NOERROR 198.51.100.85"),
            ("", "x.internal.example", "NXDOMAIN"),
        ],
        warnings: &[],
        typo: ("except internal.example", "except internal..example", "internal..example"),
    },
    Case {
        name: "hosts-overrides",
        questions: &[
            OUTSIDE,
            ("", "registry.example.com", "NOERROR 10.0.0.5"),
            ("", "registry.example.com AAAA", "NOERROR fd00::5"),
            ("", "x.apps.example.com", "NOERROR 10.0.0.6"),
            ("", "node-1", "NOERROR 10.0.0.11"),
            ("", "-x 10.0.0.12", "NOERROR node-2. node-2.example.com."),
        ],
        warnings: &[],
        typo: ("10.0.0.5 registry", "10.0.0.555 registry", "entries begin with an address"),
    },
    Case {
        name: "rewrite-answers",
        questions: &[
            ("", "web.shop.example", "~web.shop.example.	30	IN	A	10.97.0.12"),
            ("", "db.old.example", "~db.old.example.		300	IN	A	192.0.2.82"),
            CLUSTER,
        ],
        warnings: &[],
        typo: ("name suffix .old.example", "name sufix .old.example", "sufix"),
    },
    Case {
        name: "rewrite-ttl-type",
        questions: &[
            ("", "example.com", "~60	IN	A	192.0.2.80"),
            ("", "example.com ANY", "NOERROR mail.example.com."),
            ("", "legacy.example.com", "~legacy.example.com."),
        ],
        warnings: &[],
        typo: ("ttl suffix example.com 10-60", "ttl suffix example.com ten", "ten"),
    },
    Case {
        name: "templates",
        questions: &[
            ("", "ip-10-1-2-3.ip.example", "NOERROR 10.1.2.3"),
            ("", "ip-10-1-2-3.ip.example AAAA", "NOERROR"),
            ("", "other.ip.example", "NXDOMAIN"),
        ],
        warnings: &[],
        typo: ("{{ .Name }} 60 IN A {{ .Group.a }}", "{{ .Nam }} 60 IN A {{ .Group.a }}", ".Nam"),
    },
    Case {
        name: "autopath",
        questions: &[
            (
                "",
                "example.com.alpha.svc.cluster.local -b 10.244.1.3",
                "NOERROR 192.0.2.80 example.com.",
            ),
            ("", "web.alpha.svc.cluster.local -b 10.244.1.3", "NOERROR 10.97.0.12"),
            ("", "example.com.alpha.svc.cluster.local", "NXDOMAIN"),
        ],
        warnings: &[],
        typo: ("autopath @kubernetes", "autopath @kubernets", "write @kubernetes, or a file"),
    },
    Case {
        name: "dns64",
        questions: &[
            ("", "mail.example.com AAAA", "NOERROR 64:ff9b::c000:219"),
            ("", "example.com AAAA", "NOERROR 2001:db8::80"),
        ],
        warnings: &[],
        typo: ("dns64 64:ff9b::/96", "dns64 64:ff9b::/95", "96"),
    },
    Case {
        name: "acl",
        questions: &[
            OUTSIDE,
            ("", "example.com TXT", "NOERROR"),
            ("", "edge.example.org", "REFUSED"),
            ("", "example.com -b 192.0.2.1", "REFUSED"),
        ],
        warnings: &[],
        typo: ("allow net 127.0.0.0/8", "allow net 127.0.0.0/80", "127.0.0.0/80"),
    },
    Case {
        name: "reverse-zones",
        questions: &[
            ("", "-x 198.51.100.9", "NOERROR printer.corp.example."),
            ("", "-x 203.0.113.200", "NOERROR host-200.pool.example."),
            ("", "-x 203.0.113.20", "REFUSED"),
            REVERSE,
        ],
        warnings: &[],
        typo: ("203.0.113.128/25:53", "203.0.113.128/55:53", "203.0.113.128/55"),
    },
    Case {
        name: "environment",
        questions: &[
            ("127.0.0.1:1053", "example.com", "NOERROR 192.0.2.80"),
            ("127.0.0.1:1053", "example.com", "#example.com. NOERROR at example.com"),
            ("127.0.0.1:1053", "example.org", "REFUSED"),
        ],
        warnings: &[],
        typo: (
            "{%PORTOLAN_TEST_UPSTREAM%}",
            "{%PORTOLAN_TEST_UNSET%}",
            "'' is neither an IP address",
        ),
    },
    Case {
        name: "several-keys",
        questions: &[
            OUTSIDE,
            ("", "db.example.net", "NOERROR 192.0.2.82"),
            ("127.0.0.1:1053", "edge.example.org", "NOERROR 192.0.2.81"),
            ("", "edge.example.org", "REFUSED"),
            ("", "nothing.example.test", "NXDOMAIN"),
        ],
        warnings: &[],
        typo: ("dns://example.org:1053", "dsn://example.org:1053", "dsn"),
    },
    Case {
        name: "quoting",
        questions: &[
            OUTSIDE,
            ("", "example.com", "#127.0.0.1 asked for \"example.com.\" A # NOERROR"),
            ("", "say.quoted.example TXT", "~\"one word\" \"{ and }\""),
        ],
        warnings: &[],
        typo: ("\"^say\\.", "\"^say(\\.", "regular expression"),
    },
    Case {
        name: "file-zones",
        questions: &[
            ("", "www.example.org", "NOERROR 192.0.2.90"),
            ("", "x.apps.example.org", "NOERROR 192.0.2.90 www.example.org."),
            ("", "edge.example.org", "NOERROR 192.0.2.81"),
            ("", "bench.lab.example", "NOERROR 192.0.2.91"),
            ("", "-x 192.0.2.91", "NOERROR bench.lab.example."),
            ("", "nope.lab.example", "NXDOMAIN"),
        ],
        warnings: &[],
        typo: ("reload 30s", "reload soon", "'soon' is no duration"),
    },
    Case {
        name: "k8s-external",
        questions: &[CLUSTER, OUTSIDE, ("", "np.alpha.services.example", "NOERROR 192.0.2.10")],
        warnings: &[],
        typo: ("apex gateway", "apx gateway", "apex"),
    },
    Case {
        name: "consolidated-errors",
        questions: &[OUTSIDE, ("", "edge.example.org", "#A edge.example.org. NOERROR")],
        warnings: &[],
        typo: ("consolidate 30s", "consolidate 30", "30"),
    },
    Case {
        name: "serve-stale",
        questions: &[OUTSIDE, ("", "example.com", "~300	IN	A	192.0.2.80")],
        warnings: &[],
        typo: ("serve_stale 24h immediate", "serve_stale 24h imediate", "immediate"),
    },
    Case {
        name: "loadbalance",
        questions: &[
            ("", "api.pool.example", ">NOERROR 10.1.0.7 10.2.0.7 192.0.2.7"),
            ("", "api.weighted.example", "NOERROR 10.1.0.7"),
        ],
        warnings: &[],
        typo: ("loadbalance round_robin", "loadbalance round_robbin", "round_robin"),
    },
    Case {
        name: "bufsize-nsid",
        questions: &[
            ("", "example.com +nsid", "~rack-7 dns"),
            ("", "big.example.org TXT +ignore", "~ tc"),
            ("", "example.com ANY +notcp", "~HINFO"),
        ],
        warnings: &[],
        typo: ("    minimal", "    minmal", "did you mean 'minimal'?"),
    },
    Case {
        name: "local-names",
        questions: &[
            OUTSIDE,
            ("", "localhost", "NOERROR 127.0.0.1"),
            ("", "-x 127.0.0.1", "NOERROR localhost."),
            ("", "localhost.example.com", "NXDOMAIN"),
        ],
        warnings: &[],
        typo: ("response set ra", "response set rx", "rx"),
    },
    Case {
        name: "metadata-log",
        questions: &[
            CLUSTER,
            ("", "web.alpha.svc.cluster.local", "#web.alpha.svc.cluster.local. A web alpha"),
            ("", "lonely.alpha.svc.cluster.local", "NXDOMAIN"),
        ],
        warnings: &[],
        typo: ("ignore empty_service", "ignore empty_services", "only `empty_service`"),
    },
    Case {
        name: "failover",
        questions: &[
            ("", "example.com", "NOERROR 198.51.100.81"),
            ("", "mail.example.com", "NOERROR 192.0.2.25"),
            ("", "example.com AAAA", "NOERROR 2001:db8::80"),
        ],
        warnings: &[],
        typo: ("failover SERVFAIL REFUSED", "failover SERVFAIL NOERROR", "NOERROR"),
    },
    Case {
        name: "busy-node",
        questions: &[
            OUTSIDE,
            ("", "version.bind CH TXT", "NOERROR \"Resolver-1\""),
            ("", "example.com +tcp", "NOERROR 192.0.2.80"),
        ],
        warnings: &[],
        typo: ("maxtcpqueries 100", "maxtcpquerys 100", "maxtcpqueries"),
    },
];
