//! What plugins know about a query, from its client to `view`, `log`, `rewrite`, `template` and the upstream.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on says so by panicking")]

use std::net::{SocketAddr, UdpSocket};
use std::path::Path;
use std::sync::mpsc::{Receiver, channel};

use hickory_proto::op::{Message, MessageType};
use hickory_proto::rr::rdata::A;
use hickory_proto::rr::rdata::opt::EdnsOption;
use hickory_proto::rr::{RData, Record};

use portolan_tests::dig::dig;
use portolan_tests::server::{PATIENCE, Server, write};

/// The pods of two namespaces, with addresses that `dig -b` can ask from.
const CLUSTER: &str = "\
apiVersion: v1
kind: Pod
metadata: {name: web-0, namespace: shop, labels: {app: web}}
spec: {}
status: {phase: Running, podIP: 127.0.0.2, podIPs: [{ip: 127.0.0.2}]}
---
apiVersion: v1
kind: Pod
metadata: {name: till-0, namespace: bank}
spec: {}
status: {phase: Running, podIP: 127.0.0.3, podIPs: [{ip: 127.0.0.3}]}
---
apiVersion: v1
kind: Service
metadata: {name: api, namespace: shop}
spec: {clusterIP: 10.96.0.1, clusterIPs: [10.96.0.1], ports: [{port: 80}]}
";

/// The option of the `rewrite` rule.
const OPTION: u16 = 0xffee;

/// An upstream that answers with one address and tells what it was asked: the name, and the option if there is one.
struct Witness {
    address: SocketAddr,
    asked: Receiver<(String, Option<String>)>,
}

impl Witness {
    fn start(answer: [u8; 4]) -> Self {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        let address = socket.local_addr().unwrap();
        let (tell, asked) = channel();
        std::thread::spawn(move || {
            let mut buffer = [0; 4096];
            while let Ok((length, from)) = socket.recv_from(&mut buffer) {
                let Ok(query) = Message::from_vec(&buffer[..length]) else { continue };
                let question = query.queries[0].clone();
                let mut options = query.edns.iter().flat_map(|edns| &edns.options().options);
                let option = options.find(|(code, _)| u16::from(*code) == OPTION);
                let option = option.and_then(|(_, option)| match option {
                    EdnsOption::Unknown(_, data) => String::from_utf8(data.clone()).ok(),
                    _ => None,
                });
                let _ = tell.send((question.name().to_ascii(), option));
                let mut reply =
                    Message::new(query.metadata.id, MessageType::Response, query.metadata.op_code);
                let address = RData::A(A::from(std::net::Ipv4Addr::from(answer)));
                reply.add_answer(Record::from_rdata(question.name().clone(), 60, address));
                reply.add_query(question);
                socket.send_to(&reply.to_vec().unwrap(), from).unwrap();
            }
        });
        Self { address, asked }
    }

    fn asked(&self) -> (String, Option<String>) {
        self.asked.recv_timeout(PATIENCE).unwrap()
    }
}

/// Returns the plugins of a block that knows the cluster and forwards.
fn plugins(manifests: &Path, upstream: SocketAddr) -> String {
    format!(
        "metadata
        log . \"{{name}} by view={{/view/name}} client={{/kubernetes/client-namespace}} service={{/kubernetes/service}}.\"
        rewrite edns0 local set {OPTION:#x} {{kubernetes/client-namespace}}
        template IN TXT who.example {{
            var pod metadata('kubernetes/client-pod-name')
            expr pod != ''
            answer \"{{{{ .Name }}}} 5 IN TXT {{{{ .Var.pod }}}}/{{{{ .Meta \\\"kubernetes/client-label/app\\\" }}}}\"
            fallthrough
        }}
        kubernetes cluster.local {{
            manifests {}
            pods verified
        }}
        forward . {upstream}",
        manifests.display()
    )
}

#[test]
fn the_namespace_of_the_client_routes_and_is_told() {
    let directory = tempfile::tempdir().unwrap();
    let manifests = directory.path().join("cluster.yaml");
    write(&manifests, CLUSTER);
    let (of_shop, of_others) = (Witness::start([192, 0, 2, 1]), Witness::start([192, 0, 2, 2]));
    let mut server = Server::start(&format!(
        ".:0 {{
        view shop {{
            expr metadata('kubernetes/client-namespace') == 'shop'
        }}
        {}
    }}
    .:0 {{
        {}
    }}\n",
        plugins(&manifests, of_shop.address),
        plugins(&manifests, of_others.address),
    ));
    let cases = [
        ("127.0.0.2", &of_shop, "192.0.2.1", Some("shop"), "view=shop client=shop"),
        ("127.0.0.3", &of_others, "192.0.2.2", Some("bank"), "view=- client=bank"),
        ("127.0.0.4", &of_others, "192.0.2.2", None, "view=- client=-"),
    ];
    for (from, upstream, expected, namespace, told) in cases {
        let name = format!("x{}.example.com.", from.replace('.', "-"));
        let reply = dig(server.address(), &format!("{name} A -b {from}"));
        assert_eq!(reply.answer_data(), [expected], "{from}: {}", reply.text);
        assert_eq!(upstream.asked(), (name.clone(), namespace.map(str::to_owned)), "{from}");
        server.wait_for_line(&format!("{name} by {told} service=-."));
        let service = format!("api.shop.svc.cluster.local. A -b {from}");
        assert_eq!(dig(server.address(), &service).answer_data(), ["10.96.0.1"], "{from}");
        server.wait_for_line(&format!("api.shop.svc.cluster.local. by {told} service=api."));
    }
    // A template and its expression know it, too; where the expression is not true the upstream is asked.
    let shop = dig(server.address(), "who.example TXT -b 127.0.0.2");
    assert_eq!(shop.answer_data(), ["\"web-0/web\""], "{}", shop.text);
    let bank = dig(server.address(), "who.example TXT -b 127.0.0.3");
    assert_eq!(bank.answer_data(), ["\"till-0/\""], "{}", bank.text);
    dig(server.address(), "who.example TXT -b 127.0.0.4");
    assert_eq!(of_others.asked(), ("who.example.".to_owned(), None));
}
