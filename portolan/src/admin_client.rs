//! Asks the admin endpoints of a running role.

use anyhow::{Result, bail};
use http_body_util::{BodyExt, Empty, Limited};
use hyper::body::Bytes;
use hyper::{Request, StatusCode};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

/// Gets a path with its query from an admin address.
///
/// # Errors
/// The role cannot be reached, answers with another status than 200, or with more octets than this.
pub(crate) async fn get(address: &str, path: &str, most: usize) -> Result<Bytes> {
    let stream = TcpStream::connect(address).await?;
    // Not the name: roles refuse names that are not their own.
    let host = stream.peer_addr()?.to_string();
    let (mut sender, connection) =
        hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
    tokio::spawn(connection);
    let request = Request::get(path).header("host", host).body(Empty::<Bytes>::new())?;
    let response = sender.send_request(request).await?;
    let status = response.status();
    let body = Limited::new(response.into_body(), most).collect().await;
    let body = body.map_err(anyhow::Error::from_boxed)?.to_bytes();
    if status != StatusCode::OK {
        bail!("HTTP {status}: {}", String::from_utf8_lossy(&body).trim());
    }
    Ok(body)
}
