//! What the tests share: a server with a client, and watches read line by line.

#![allow(dead_code, reason = "each test binary uses a part")]

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use hyper::{Method, Request};
use portolan_test_apiserver::{Access, ApiClient, Flavour, Front, ServerOptions, TestApiServer};
use serde_json::Value;

/// Longest wait for anything; reaching it is a failure.
pub const PATIENCE: Duration = Duration::from_secs(20);

pub struct Client {
    pub http: ApiClient,
}

pub async fn start() -> (TestApiServer, Client) {
    start_with(ServerOptions::default()).await
}

pub async fn start_with(options: ServerOptions) -> (TestApiServer, Client) {
    let server = TestApiServer::start(options).await.unwrap();
    let client = client(server.front(), Flavour::Token);
    (server, client)
}

pub fn client(front: &Front, flavour: Flavour) -> Client {
    let access = Access::read(&front.kubeconfig(flavour).unwrap()).unwrap();
    Client { http: ApiClient::new(&access).unwrap() }
}

pub fn http1_client(front: &Front) -> Client {
    let access = Access::read(&front.kubeconfig(Flavour::Token).unwrap()).unwrap();
    Client { http: ApiClient::http1(&access).unwrap() }
}

impl Client {
    pub async fn get(&self, path: &str) -> (u16, Value) {
        self.send(Method::GET, path, "application/json", String::new()).await
    }

    pub async fn create(&self, path: &str, object: Value) -> (u16, Value) {
        self.send(Method::POST, path, "application/json", object.to_string()).await
    }

    pub async fn update(&self, path: &str, object: Value) -> (u16, Value) {
        self.send(Method::PUT, path, "application/json", object.to_string()).await
    }

    pub async fn patch(&self, path: &str, format: &str, patch: Value) -> (u16, Value) {
        let content_type = format!("application/{format}");
        self.send(Method::PATCH, path, &content_type, patch.to_string()).await
    }

    pub async fn delete(&self, path: &str, options: Value) -> (u16, Value) {
        self.send(Method::DELETE, path, "application/json", options.to_string()).await
    }

    pub async fn send(
        &self,
        method: Method,
        path: &str,
        content_type: &str,
        body: String,
    ) -> (u16, Value) {
        let exchange = self.http.exchange(method, path, content_type, body);
        tokio::time::timeout(PATIENCE, exchange).await.unwrap().unwrap()
    }

    /// Names in a list.
    pub async fn names(&self, path: &str) -> Vec<String> {
        names(&self.get(path).await.1)
    }

    pub async fn watch(&self, path: &str) -> Watch {
        let request = Request::get(path).body(Bytes::new()).unwrap();
        let response = self.http.send(request).await.unwrap();
        assert_eq!(response.status(), 200, "{path}");
        Watch { body: response.into_body(), buffer: BytesMut::new() }
    }
}

pub fn names(list: &Value) -> Vec<String> {
    let items = list["items"].as_array().unwrap_or_else(|| panic!("no list: {list}"));
    let name = |item: &Value| item["metadata"]["name"].as_str().unwrap().to_owned();
    items.iter().map(name).collect()
}

/// How a watch goes on.
#[derive(Debug, PartialEq)]
pub enum Next {
    Event(Value),
    NotJson(Vec<u8>),
    /// The stream ended; what was left of an unfinished line.
    End(Vec<u8>),
    Broken,
}

pub struct Watch {
    body: Incoming,
    buffer: BytesMut,
}

impl Watch {
    pub async fn next(&mut self) -> Next {
        tokio::time::timeout(PATIENCE, self.read()).await.expect("the watch says something")
    }

    async fn read(&mut self) -> Next {
        loop {
            if let Some(end) = self.buffer.iter().position(|byte| *byte == b'\n') {
                let line = self.buffer.split_to(end + 1);
                return match serde_json::from_slice(&line) {
                    Ok(event) => Next::Event(event),
                    Err(_) => Next::NotJson(line.to_vec()),
                };
            }
            match self.body.frame().await {
                None => return Next::End(self.buffer.to_vec()),
                Some(Err(_)) => return Next::Broken,
                Some(Ok(frame)) => self.buffer.extend(frame.into_data().unwrap_or_default()),
            }
        }
    }

    /// Type and name of the next event.
    pub async fn event(&mut self) -> (String, String) {
        let event = self.value().await;
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        (text(&event["type"]), text(&event["object"]["metadata"]["name"]))
    }

    pub async fn value(&mut self) -> Value {
        match self.next().await {
            Next::Event(event) => event,
            other => panic!("not an event: {other:?}"),
        }
    }
}

pub fn config_map(namespace: &str, name: &str) -> Value {
    serde_json::json!({
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": name, "namespace": namespace},
    })
}

pub fn labelled(name: &str, labels: Value) -> Value {
    let mut object = config_map("default", name);
    object["metadata"]["labels"] = labels;
    object
}

pub fn pair(kind: &str, name: &str) -> (String, String) {
    (kind.to_owned(), name.to_owned())
}
