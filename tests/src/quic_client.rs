//! Clients of DNS over QUIC and over HTTP/3 that are not our own: those of hickory-dns.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt;
use hickory_net::h3::H3ClientStream;
use hickory_net::quic::QuicClientStream;
use hickory_net::xfer::{DnsRequestSender, FirstAnswer};
use hickory_proto::op::{DnsRequest, DnsRequestOptions, Message};
use quinn::crypto::rustls::QuicClientConfig;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, RootCertStore};

/// How long a reply may take.
const TIMEOUT: Duration = Duration::from_secs(10);

/// What is spoken on top of QUIC.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Version {
    /// RFC 9250.
    Quic,
    /// RFC 8484, by POST.
    Http3,
}

/// Asks a server that has a certificate of this authority for the name.
///
/// # Errors
/// There is no reply; says why.
///
/// # Panics
/// The authority's certificate cannot be read.
pub fn ask(
    server: SocketAddr,
    authority: &str,
    host: &str,
    version: Version,
    question: Message,
) -> Result<Message, String> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let asking = exchange(server, config(Path::new(authority)), host, version, question);
    let asked = runtime.block_on(async { tokio::time::timeout(TIMEOUT, asking).await });
    asked.unwrap_or_else(|_| Err("no reply in time".to_owned()))
}

/// Returns how many streams a server allows a client to have open on a connection from its start, which is how many
/// questions it may have under way.
///
/// # Panics
/// The server cannot be reached.
pub fn streams_of(server: SocketAddr, authority: &str, host: &str, version: Version) -> usize {
    let mut tls = config(Path::new(authority));
    let protocol: &[u8] = match version {
        Version::Quic => b"doq",
        Version::Http3 => b"h3",
    };
    tls.alpn_protocols = vec![protocol.to_vec()];
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let mut endpoint = quinn::Endpoint::client((Ipv4Addr::LOCALHOST, 0).into()).unwrap();
        let crypto = QuicClientConfig::try_from(tls).unwrap();
        endpoint.set_default_client_config(quinn::ClientConfig::new(Arc::new(crypto)));
        let connecting = tokio::time::timeout(TIMEOUT, endpoint.connect(server, host).unwrap());
        let connection = connecting.await.unwrap().unwrap();
        // What is not open at once has to wait until the server allows more, which it does for streams that end.
        let mut open = Vec::new();
        while let Some(stream) = connection.open_bi().now_or_never() {
            open.push(stream.unwrap());
        }
        open.len()
    })
}

async fn exchange(
    server: SocketAddr,
    config: ClientConfig,
    host: &str,
    version: Version,
    question: Message,
) -> Result<Message, String> {
    let request = DnsRequest::new(question, DnsRequestOptions::default());
    let reply = match version {
        Version::Quic => {
            let client = QuicClientStream::builder().crypto_config(config);
            let connecting = client.build(server, host.into());
            let mut client = connecting.await.map_err(|error| error.to_string())?;
            client.send_message(request).first_answer().await
        }
        Version::Http3 => {
            let client = H3ClientStream::builder().crypto_config(config);
            let connecting = client.build(server, host.into(), "/dns-query".into());
            let mut client = connecting.await.map_err(|error| error.to_string())?;
            client.send_message(request).first_answer().await
        }
    };
    let reply = reply.map_err(|error| error.to_string())?;
    Message::from_vec(reply.as_buffer()).map_err(|error| error.to_string())
}

fn config(authority: &Path) -> ClientConfig {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(authority).unwrap()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ClientConfig::builder_with_provider(provider);
    let builder = builder.with_safe_default_protocol_versions().unwrap();
    builder.with_root_certificates(roots).with_no_client_auth()
}
