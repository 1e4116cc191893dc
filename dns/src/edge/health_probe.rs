//! Asks the server itself for its health once a second.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::time::error::Elapsed;
use tokio::time::{MissedTickBehavior, timeout};

use super::http::is_stopped;
use crate::plugin::health::HealthMetrics;

const INTERVAL: Duration = Duration::from_secs(1);

/// When a probe has failed.
const TIMEOUT: Duration = Duration::from_secs(3);

/// Probes `/health` at a listener's address each second until `stop` is true or gone.
pub async fn probe_health(
    listener: SocketAddr,
    metrics: HealthMetrics,
    mut stop: watch::Receiver<bool>,
) {
    let address = SocketAddr::new(reachable(listener.ip()), listener.port());
    let mut ticks = tokio::time::interval(INTERVAL);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            () = is_stopped(&mut stop) => return,
            _ = ticks.tick() => {}
        }
        let start = Instant::now();
        let problem = problem(timeout(TIMEOUT, probe(address)).await);
        if let Some(problem) = &problem {
            tracing::warn!(%address, problem, "the server does not answer its own health probe");
        }
        metrics.observe(start.elapsed(), problem.is_none());
    }
}

/// A socket of every address is reached over loopback.
fn reachable(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V4(Ipv4Addr::UNSPECIFIED) => Ipv4Addr::LOCALHOST.into(),
        // It takes IPv4 too, and hosts may have IPv6 switched off by sysctl.
        IpAddr::V6(Ipv6Addr::UNSPECIFIED) => Ipv4Addr::LOCALHOST.into(),
        address => address,
    }
}

/// Returns what is wrong with an outcome, in words.
fn problem(outcome: Result<io::Result<bool>, Elapsed>) -> Option<String> {
    match outcome {
        Ok(Ok(true)) => None,
        Ok(Ok(false)) => Some("another status than 200".to_owned()),
        Ok(Err(error)) => Some(error.to_string()),
        Err(_) => Some(format!("no answer in {} s", TIMEOUT.as_secs())),
    }
}

/// Says whether the server answers with 200.
async fn probe(address: SocketAddr) -> io::Result<bool> {
    let mut stream = TcpStream::connect(address).await?;
    let request = format!("GET /health HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await?;
    let mut reply = Vec::new();
    stream.take(4096).read_to_end(&mut reply).await?;
    Ok(reply.starts_with(b"HTTP/1.1 200 "))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::edge::http::{HttpListener, Routes, health};

    async fn serve(routes: Routes) -> (SocketAddr, watch::Sender<bool>) {
        let listener = HttpListener::bind(&"127.0.0.1:0".parse().unwrap()).await.unwrap();
        let address = listener.local_address();
        let (stop, stopped) = watch::channel(false);
        tokio::spawn(listener.serve(routes.into_handler(), stopped));
        (address, stop)
    }

    #[tokio::test]
    async fn problems_are_in_words() {
        let refused = io::Error::from(io::ErrorKind::ConnectionRefused);
        let never = timeout(Duration::ZERO, std::future::pending()).await;
        for (outcome, words) in [
            (Ok(Ok(true)), None),
            (Ok(Ok(false)), Some("another status than 200")),
            (Ok(Err(refused)), Some("connection refused")),
            (never, Some("no answer in 3 s")),
        ] {
            assert_eq!(problem(outcome).as_deref(), words);
        }
    }

    #[tokio::test]
    async fn healthy_or_not() {
        let (address, _stop) = serve(Routes::new().route("/health", health())).await;
        assert!(probe(address).await.unwrap());
        let (address, _stop) = serve(Routes::new()).await;
        assert!(!probe(address).await.unwrap());
    }

    #[test]
    fn every_address_is_reached_over_loopback() {
        assert_eq!(reachable("0.0.0.0".parse().unwrap()), Ipv4Addr::LOCALHOST);
        assert_eq!(reachable("::".parse().unwrap()), Ipv4Addr::LOCALHOST);
        assert_eq!(reachable("10.0.0.1".parse().unwrap()), Ipv4Addr::new(10, 0, 0, 1));
    }
}
