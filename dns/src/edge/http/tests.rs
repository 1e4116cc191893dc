//! Real sockets on ports that the system chooses.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use hyper::StatusCode;
use prometheus::{IntCounter, Registry, TextEncoder};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::{Notify, watch};
use tokio::task::JoinHandle;

use super::{
    Handler, HttpListener, HttpMetrics, HttpReply, Routes, health, metrics, only_own_hosts, ready,
};
use crate::plugin::ListenAddress;

struct Server {
    address: SocketAddr,
    stop: watch::Sender<bool>,
    served: JoinHandle<()>,
}

async fn serve(routes: Routes) -> Server {
    let listener = HttpListener::bind(&"127.0.0.1:0".parse().unwrap()).await.unwrap();
    let address = listener.local_address();
    let (stop, stopped) = watch::channel(false);
    let served = tokio::spawn(listener.serve(routes.into_handler(), stopped));
    Server { address, stop, served }
}

/// Sends a request and returns everything until the server closes.
async fn exchange(address: SocketAddr, request: &str) -> String {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut reply = String::new();
    stream.read_to_string(&mut reply).await.unwrap();
    reply
}

async fn get(address: SocketAddr, target: &'static str) -> (String, String) {
    let request = format!("GET {target} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
    let reply = exchange(address, &request).await;
    let (head, body) = reply.split_once("\r\n\r\n").unwrap();
    (head.to_ascii_lowercase(), body.to_owned())
}

#[tokio::test]
async fn health_ready_metrics_and_nothing_else() {
    let is_ready = Arc::new(AtomicBool::new(false));
    let asked = is_ready.clone();
    let names = move || match asked.load(Ordering::SeqCst) {
        true => Vec::new(),
        false => vec!["forward".to_owned(), "kubernetes".to_owned()],
    };
    let registry = Registry::new();
    let counter = IntCounter::new("a_total", "Help.").unwrap();
    registry.register(Box::new(counter)).unwrap();
    let routes = Routes::new().route("/health", health()).route("/ready", ready(names));
    let server = serve(routes.route("/metrics", metrics(registry))).await;
    let get = |target| get(server.address, target);

    let (head, body) = get("/health").await;
    assert!(head.starts_with("http/1.1 200 ok"), "{head}");
    assert!(head.contains("content-type: text/plain; charset=utf-8"), "{head}");
    assert_eq!(body, "OK");
    let (head, body) = get("/ready").await;
    assert!(head.starts_with("http/1.1 503 "), "{head}");
    assert_eq!(body, "forward,kubernetes");
    is_ready.store(true, Ordering::SeqCst);
    assert_eq!(get("/ready?verbose").await.1, "OK");
    let (head, body) = get("/metrics").await;
    assert!(head.contains("content-type: text/plain; version=0.0.4"), "{head}");
    assert_eq!(body, "# HELP a_total Help.\n# TYPE a_total counter\na_total 0\n");
    for target in ["/", "/health/", "/healthy", "/HEALTH"] {
        let (head, body) = get(target).await;
        assert!(head.starts_with("http/1.1 404 "), "{target}: {head}");
        assert_eq!(body, "not found; there is /health /metrics /ready\n");
    }
}

#[tokio::test]
async fn other_methods_and_bodies() {
    let server = serve(Routes::new().route("/health", health())).await;
    let post =
        "POST /health HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000\r\n\r\npart of the body";
    let reply = exchange(server.address, post).await;
    assert!(reply.starts_with("HTTP/1.1 405 "), "{reply}");
    let head = "HEAD /health HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
    let reply = exchange(server.address, head).await;
    assert!(reply.starts_with("HTTP/1.1 200 ") && reply.ends_with("\r\n\r\n"), "{reply}");
    let large = format!("GET /{} HTTP/1.1\r\nHost: x\r\n\r\n", "a".repeat(32 << 10));
    let mut stream = TcpStream::connect(server.address).await.unwrap();
    // The server may close before it has read everything.
    let _ = stream.write_all(large.as_bytes()).await;
    let mut reply = Vec::new();
    let _ = stream.read_to_end(&mut reply).await;
    assert!(!reply.starts_with(b"HTTP/1.1 200"));
}

/// Returns a handler that answers when it is told to, and what tells that it was asked.
fn waiting_handler() -> (Handler, Arc<Notify>, Arc<Notify>) {
    let (asked, go) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let (tell, wait) = (asked.clone(), go.clone());
    let handler: Handler = Arc::new(move |request| {
        let (tell, wait) = (tell.clone(), wait.clone());
        Box::pin(async move {
            tell.notify_one();
            wait.notified().await;
            HttpReply::text(StatusCode::OK, request.parameter("name").unwrap_or_default())
        })
    });
    (handler, asked, go)
}

#[tokio::test]
async fn stopping_closes_the_port_and_finishes_what_is_being_answered() {
    let (handler, asked, go) = waiting_handler();
    let server = serve(Routes::new().route("/slow", handler)).await;
    let idle = TcpStream::connect(server.address).await.unwrap();
    let slow = tokio::spawn(get(server.address, "/slow?name=a%20b"));
    asked.notified().await;
    server.stop.send(true).unwrap();
    go.notify_one();
    assert_eq!(slow.await.unwrap().1, "a b");
    server.served.await.unwrap();
    assert!(TcpStream::connect(server.address).await.is_err());
    drop(idle);
}

#[tokio::test]
async fn a_dropped_stop_sender_stops() {
    let Server { stop, served, .. } = serve(Routes::new()).await;
    drop(stop);
    served.await.unwrap();
}

/// Opens a connection and has a request answered on it.
async fn kept(address: SocketAddr) -> TcpStream {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(b"GET /kept HTTP/1.1\r\nHost: x\r\n\r\n").await.unwrap();
    let mut reply = Vec::new();
    while !reply.ends_with(b"kept") {
        assert_ne!(stream.read_buf(&mut reply).await.unwrap(), 0);
    }
    stream
}

#[tokio::test]
async fn the_connection_that_is_idle_longest_makes_room() {
    let keeping: Handler =
        Arc::new(|_| Box::pin(std::future::ready(HttpReply::text(StatusCode::OK, "kept"))));
    let registry = Registry::new();
    let metrics = HttpMetrics::new().unwrap();
    metrics.register(&registry).unwrap();
    let routes = Routes::new().route("/health", health()).route("/kept", keeping);
    let listener = HttpListener::bind(&"127.0.0.1:0".parse().unwrap()).await.unwrap();
    let address = listener.local_address();
    let (_stop, stopped) = watch::channel(false);
    let serving = listener.with_metrics(metrics).serve(routes.into_handler(), stopped);
    tokio::spawn(serving);

    let mut open = Vec::new();
    for _ in 0..256 {
        open.push(kept(address).await);
    }
    // The first of them is used again, so that the second has waited longest.
    open[0].write_all(b"GET /kept HTTP/1.1\r\nHost: x\r\n\r\n").await.unwrap();
    assert_ne!(open[0].read(&mut [0; 1000]).await.unwrap(), 0);
    assert_eq!(get(address, "/health").await.1, "OK");
    assert_eq!(open[1].read(&mut [0; 1]).await.unwrap(), 0, "closed");
    for stream in [0, 2, 255] {
        open[stream].write_all(b"GET /kept HTTP/1.1\r\nHost: x\r\n\r\n").await.unwrap();
        assert_ne!(open[stream].read(&mut [0; 1000]).await.unwrap(), 0, "{stream} is still open");
    }
    let text = TextEncoder::new().encode_to_string(&registry.gather()).unwrap();
    assert!(text.contains("portolan_http_evicted_total 1\n"), "{text}");
}

#[tokio::test]
async fn no_connection_makes_room_while_it_is_answered() {
    let (handler, asked, go) = waiting_handler();
    let server = serve(Routes::new().route("/slow", handler).route("/health", health())).await;
    let mut slow = Vec::new();
    for _ in 0..256 {
        slow.push(tokio::spawn(get(server.address, "/slow?name=a")));
        asked.notified().await;
    }
    let mut refused = TcpStream::connect(server.address).await.unwrap();
    assert_eq!(refused.read(&mut [0; 1]).await.unwrap_or(0), 0, "closed");
    for slow in slow {
        go.notify_one();
        assert_eq!(slow.await.unwrap().1, "a");
    }
    assert_eq!(get(server.address, "/health").await.1, "OK");
}

#[tokio::test]
async fn probes_keep_no_connection() {
    let server =
        serve(Routes::new().route("/health", health()).route("/ready", ready(Vec::new))).await;
    for page in ["/health", "/ready"] {
        let request = format!("GET {page} HTTP/1.1\r\nHost: x\r\n\r\n");
        let reply = exchange(server.address, &request).await;
        assert!(reply.to_ascii_lowercase().contains("connection: close"), "{reply}");
    }
}

#[tokio::test]
async fn a_foreign_host_is_refused() {
    let handler = Routes::new().route("/health", health()).into_handler();
    let listener = HttpListener::bind(&"127.0.0.1:0".parse().unwrap()).await.unwrap();
    let address = listener.local_address();
    let (_stop, stopped) = watch::channel(false);
    tokio::spawn(listener.serve(only_own_hosts(None, handler), stopped));
    let ask = |host: &'static str| async move {
        exchange(address, &format!("GET /health HTTP/1.1\r\n{host}Connection: close\r\n\r\n")).await
    };
    assert!(ask("Host: 127.0.0.1:9353\r\n").await.starts_with("HTTP/1.1 200 "));
    assert!(ask("").await.starts_with("HTTP/1.1 200 "), "only browsers are misled");
    let reply = ask("Host: evil.example\r\n").await;
    assert!(reply.starts_with("HTTP/1.1 421 "), "{reply}");
    assert!(reply.contains("evil.example is not served here"), "{reply}");
    let absolute = "GET http://evil.example/health HTTP/1.1\r\nHost: 127.0.0.1\r\n";
    let reply = exchange(address, &format!("{absolute}Connection: close\r\n\r\n")).await;
    assert!(reply.starts_with("HTTP/1.1 421 "), "{reply}");
}

#[tokio::test]
async fn binding() {
    let any = HttpListener::bind(&ListenAddress::any(0)).await.unwrap();
    assert!(any.local_address().ip().is_unspecified());
    assert_ne!(any.local_address().port(), 0);
    let named = HttpListener::bind(&"localhost:0".parse().unwrap()).await.unwrap();
    assert_eq!(named.local_address().ip().to_string(), "127.0.0.1");
    let taken: ListenAddress = named.local_address().to_string().parse().unwrap();
    let error = HttpListener::bind(&taken).await.unwrap_err().to_string();
    assert!(error.starts_with(&format!("cannot listen on {taken} for HTTP: ")), "{error}");
    assert!(error.ends_with("free the port or configure another address"), "{error}");
    let foreign = HttpListener::bind(&"192.0.2.1:0".parse().unwrap()).await;
    assert!(foreign.is_err());
}
