//! Encrypted connections in both directions.

use std::io::Write;

use rcgen::{CertifiedKey, generate_simple_self_signed};
use rustls::crypto::ring;
use rustls::{ClientConfig, RootCertStore, ServerConfig};
use tokio::net::TcpStream;
use tokio_rustls::{TlsAcceptor, TlsConnector};

use super::super::listener::{Socket, bind};
use super::super::{outgoing::Outgoing, tls};
use super::*;
use crate::corefile::{Directive, DiskFiles};
use crate::plugin::dnstap::DnstapConfig;
use crate::plugin::testing::configure;

type Identity = CertifiedKey<rcgen::KeyPair>;

fn identity() -> Identity {
    generate_simple_self_signed(["127.0.0.1".to_owned()]).unwrap()
}

fn roots(identity: &Identity) -> RootCertStore {
    let mut roots = RootCertStore::empty();
    roots.add(identity.cert.der().clone()).unwrap();
    roots
}

fn key(identity: &Identity) -> rustls::pki_types::PrivateKeyDer<'static> {
    rustls::pki_types::PrivateKeyDer::try_from(identity.signing_key.serialize_der()).unwrap()
}

fn acceptor(identity: &Identity) -> TlsAcceptor {
    let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![identity.cert.der().clone()], key(identity))
        .unwrap();
    TlsAcceptor::from(Arc::new(config))
}

#[tokio::test]
async fn the_receiver_is_verified_unless_told_otherwise() {
    let receiver = identity();
    for (believed, trusted) in
        [(Some(roots(&receiver)), true), (Some(roots(&identity())), false), (None, true)]
    {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let host = listener.local_addr().unwrap().to_string();
        let tls = tls::client_with(&host, believed).unwrap();
        let (endpoint, drops) = (Endpoint::Tls(host), Arc::new(Drops::new(counter())));
        let outgoing = Outgoing { endpoint, tls: Some(tls), write_buffer: MIB, drops };
        let acceptor = acceptor(&receiver);
        let accept = tokio::spawn(async move {
            let stream = listener.accept().await.unwrap().0;
            match acceptor.accept(stream).await {
                Ok(stream) => Some(Receiver::greet(stream).await),
                Err(_) => None,
            }
        });
        let opened = outgoing.open().await;
        let error = opened.err();
        assert_eq!(error.is_none(), trusted, "{error:?}");
        assert_eq!(accept.await.unwrap().is_some(), trusted);
    }
}

#[tokio::test]
async fn skipverify_of_the_corefile() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let text = format!("dnstap tls://{} {{\nskipverify\n}}", listener.local_addr().unwrap());
    let config = configure(&text, |all: &[&Directive]| DnstapConfig::parse(all[0], &DiskFiles));
    let config = config.unwrap();
    let tap = Tap::start(&config.endpoint, &config.role, counter()).unwrap();
    send(&tap, &["one"]);
    let stream = acceptor(&identity()).accept(listener.accept().await.unwrap().0).await.unwrap();
    assert_payloads(&mut Receiver::greet(stream).await, &["one"]).await;
}

/// Writes an identity to files and returns the words `CERT KEY`.
fn files(identity: &Identity, directory: &TempDir) -> String {
    let write = |name: &str, text: String| {
        let path = directory.path().join(name);
        std::fs::File::create(&path).unwrap().write_all(text.as_bytes()).unwrap();
        path.display().to_string()
    };
    let certificate = write("cert.pem", identity.cert.pem());
    format!("{certificate} {}", write("key.pem", identity.signing_key.serialize_pem()))
}

/// Connects to a listener of the Corefile's `lines`, as a receiver with or without a certificate; says whether
/// it gets messages.
async fn is_taken(tls_line: &str, server: &Identity, client: Option<&Identity>) -> bool {
    let text = format!("dnstap listen tls://127.0.0.1:0 {{\n{tls_line}\n}}");
    let config = configure(&text, |all: &[&Directive]| DnstapConfig::parse(all[0], &DiskFiles));
    let config = config.unwrap();
    let Role::Listen { tls } = config.role else { panic!("no listener") };
    let socket = bind(&config.endpoint).await.unwrap();
    let Socket::Tcp(tcp) = &socket else { panic!("no TCP socket") };
    let address = tcp.local_addr().unwrap();
    let (messages, _) = broadcast::channel(SINK_QUEUE);
    let drops = Arc::new(Drops::new(counter()));
    let (endpoint, weak) = (config.endpoint.clone(), messages.downgrade());
    let listener = Listener { endpoint, tls: tls.map(Into::into), messages: weak, drops };
    tokio::spawn(async move { listener.serve(&socket).await });
    let builder = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots(server));
    let config = match client {
        None => builder.with_no_client_auth(),
        Some(client) => {
            builder.with_client_auth_cert(vec![client.cert.der().clone()], key(client)).unwrap()
        }
    };
    let stream = TcpStream::connect(address).await.unwrap();
    let connector = TlsConnector::from(Arc::new(config));
    let name = rustls::pki_types::ServerName::try_from("127.0.0.1").unwrap();
    let Ok(mut stream) = connector.connect(name, stream).await else { return false };
    // With TLS 1.3 a refused certificate shows with the first octets.
    use tokio::io::AsyncReadExt;
    stream.read_u32().await.is_ok()
}

#[tokio::test]
async fn who_may_connect_to_a_listener() {
    let directory = directory();
    let server = identity();
    let (mine, other) = (identity(), identity());
    let words = files(&server, &directory);
    let ca = directory.path().join("ca.pem");
    std::fs::write(&ca, mine.cert.pem()).unwrap();
    let with_ca = format!("tls {words} {}", ca.display());
    for (lines, client, taken) in [
        (format!("tls {words}"), None, true),
        (with_ca.clone(), None, false),
        (with_ca.clone(), Some(&other), false),
        (with_ca.clone(), Some(&mine), true),
        (format!("{with_ca}\nskipverify"), None, true),
    ] {
        assert_eq!(is_taken(&lines, &server, client).await, taken, "{lines}");
    }
}
