//! A certificate authority that speaks as much ACME (RFC 8555) as a client needs, with the challenge DNS-01.
//!
//! It asks the name server under test for the record over UDP, as any authority would, and signs what is asked of it.
//! Signatures of requests are not verified; nonces, URLs and accounts are.

mod http;
mod jws;

use std::collections::BTreeSet;
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::time::Duration;

use hickory_proto::rr::RData;
use rcgen::{
    BasicConstraints, CertificateParams, CertificateSigningRequestParams, CertifiedIssuer, DnType,
    IsCa, KeyPair,
};
use serde_json::{Value, json};
use time::OffsetDateTime;

use self::http::{Request, Response};
use self::jws::Jws;
use crate::client::UdpClient;
use crate::server::write;

type Issuer = CertifiedIssuer<'static, KeyPair>;

/// A running authority. It ends with the test process.
#[derive(Debug)]
pub struct Authority {
    /// Where it listens.
    pub address: SocketAddr,
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    base: String,
    server: SocketAddr,
    issuer: Issuer,
    state: Mutex<State>,
    released: Condvar,
}

#[derive(Debug)]
struct State {
    lifetime: Duration,
    expects_another_value: bool,
    is_held: bool,
    nonces: BTreeSet<String>,
    next_nonce: usize,
    /// The thumbprint of each account's key.
    accounts: Vec<String>,
    contacts: Vec<String>,
    orders: Vec<Order>,
}

#[derive(Debug)]
struct Order {
    domain: String,
    thumbprint: String,
    status: &'static str,
    error: Option<String>,
    certificate: Option<String>,
}

/// The certificates of an authority: its own for HTTPS, and the one that it signs with.
#[derive(Debug)]
pub struct Roots {
    web: Issuer,
    /// The file that clients of the authority trust.
    pub web_file: PathBuf,
    issuer: Option<Issuer>,
    /// The file that clients of its certificates trust.
    pub issuer_file: PathBuf,
}

impl Roots {
    /// Makes both in a directory.
    ///
    /// # Panics
    /// They cannot be made.
    pub fn new(directory: &Path) -> Self {
        let make = |name: &str| {
            let mut parameters = CertificateParams::default();
            parameters.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
            let key = KeyPair::generate().unwrap();
            let issuer = CertifiedIssuer::self_signed(parameters, key).unwrap();
            let file = directory.join(name);
            write(&file, &issuer.pem());
            (issuer, file)
        };
        let ((web, web_file), (issuer, issuer_file)) = (make("web.pem"), make("issuer.pem"));
        Self { web, web_file, issuer: Some(issuer), issuer_file }
    }
}

impl Authority {
    /// Starts an authority that asks a name server about challenges, and takes the issuer of the roots with it.
    ///
    /// # Panics
    /// The address is taken, or the roots have been used.
    pub fn start(address: SocketAddr, roots: &mut Roots, server: SocketAddr) -> Self {
        let listener = TcpListener::bind(address).unwrap();
        let address = listener.local_addr().unwrap();
        let state = State {
            lifetime: Duration::from_secs(24 * 60 * 60),
            expects_another_value: false,
            is_held: false,
            nonces: BTreeSet::new(),
            next_nonce: 0,
            accounts: Vec::new(),
            contacts: Vec::new(),
            orders: Vec::new(),
        };
        let shared = Arc::new(Shared {
            base: format!("https://ca.test:{}", address.port()),
            server,
            issuer: roots.issuer.take().unwrap(),
            state: Mutex::new(state),
            released: Condvar::new(),
        });
        let names = vec!["ca.test".to_owned(), address.ip().to_string()];
        let answering = Arc::clone(&shared);
        http::serve(listener, &roots.web, names, move |request| answering.answer(request));
        Self { address, shared }
    }

    /// Returns the URL of the directory, by the name `ca.test`.
    pub fn directory(&self) -> String {
        format!("{}/directory", self.shared.base)
    }

    /// Sets how long certificates are good from here on.
    pub fn set_lifetime(&self, lifetime: Duration) {
        self.shared.state().lifetime = lifetime;
    }

    /// Makes it expect other records than it asks for.
    pub fn expect_another_value(&self, is_another: bool) {
        self.shared.state().expects_another_value = is_another;
    }

    /// Keeps it from looking at challenges, or lets it go on.
    pub fn hold(&self, is_held: bool) {
        self.shared.state().is_held = is_held;
        self.shared.released.notify_all();
    }

    /// Forgets every account.
    pub fn forget_accounts(&self) {
        self.shared.state().accounts.fill(String::new());
    }

    /// Returns the domain of each order, with its state.
    pub fn orders(&self) -> Vec<(String, String)> {
        let state = self.shared.state();
        state.orders.iter().map(|order| (order.domain.clone(), order.status.to_owned())).collect()
    }

    /// Returns whom each account says to write to.
    pub fn contacts(&self) -> Vec<String> {
        self.shared.state().contacts.clone()
    }
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    fn answer(&self, request: &Request) -> Response {
        let response = match (request.method.as_str(), request.path.as_str()) {
            ("GET", "/directory") => Response::json(200, &self.directory()),
            ("HEAD", "/new-nonce") => Response::new(200, "text/plain", String::new()),
            ("POST", path) => match self.open(request) {
                Ok(jws) => self.post(path, &jws),
                Err(problem) => problem,
            },
            _ => Response::problem(404, "malformed", "there is nothing"),
        };
        let mut state = self.state();
        state.next_nonce += 1;
        let nonce = format!("nonce-{}", state.next_nonce);
        state.nonces.insert(nonce.clone());
        response.with("Replay-Nonce", &nonce)
    }

    fn directory(&self) -> Value {
        let base = &self.base;
        json!({
            "newNonce": format!("{base}/new-nonce"),
            "newAccount": format!("{base}/new-account"),
            "newOrder": format!("{base}/new-order"),
            "revokeCert": format!("{base}/revoke"),
            "keyChange": format!("{base}/key"),
        })
    }

    /// Reads a signed request (RFC 8555 §6).
    fn open(&self, request: &Request) -> Result<Jws, Response> {
        let jws = Jws::read(&request.body);
        assert_eq!(jws.url, format!("{}{}", self.base, request.path), "the signed URL");
        if !self.state().nonces.remove(&jws.nonce) {
            return Err(Response::problem(400, "badNonce", "this nonce is none or was used"));
        }
        Ok(jws)
    }

    fn post(&self, path: &str, jws: &Jws) -> Response {
        if path == "/new-account" {
            return self.new_account(jws);
        }
        let Some(thumbprint) = self.account(jws) else {
            return Response::problem(400, "accountDoesNotExist", "no such account");
        };
        if path == "/new-order" {
            return self.new_order(jws, &thumbprint);
        }
        let (what, id) = path[1..].split_once('/').unwrap();
        let id: usize = id.parse().unwrap();
        match what {
            "order" => Response::json(200, &self.order(id)),
            "authz" => Response::json(200, &self.authorization(id)),
            "challenge" => {
                self.validate(id);
                Response::json(200, &self.challenge(id))
            }
            "finalize" => self.finalize(id, jws),
            "certificate" => {
                let chain = self.state().orders[id].certificate.clone().unwrap();
                Response::new(200, "application/pem-certificate-chain", chain)
            }
            _ => Response::problem(404, "malformed", "there is nothing"),
        }
    }

    fn new_account(&self, jws: &Jws) -> Response {
        let mut state = self.state();
        assert_eq!(jws.payload["termsOfServiceAgreed"], true);
        state.accounts.push(jws.thumbprint.clone().unwrap());
        state.contacts.push(jws.payload["contact"].to_string());
        let location = format!("{}/account/{}", self.base, state.accounts.len() - 1);
        Response::json(201, &json!({"status": "valid"})).with("Location", &location)
    }

    /// Returns the thumbprint of the key of the account that a request names.
    fn account(&self, jws: &Jws) -> Option<String> {
        let id = jws.key_id.as_deref()?.strip_prefix(&format!("{}/account/", self.base))?;
        let found = self.state().accounts.get(id.parse::<usize>().ok()?)?.clone();
        Some(found).filter(|thumbprint| !thumbprint.is_empty())
    }

    fn new_order(&self, jws: &Jws, thumbprint: &str) -> Response {
        let domain = jws.payload["identifiers"][0]["value"].as_str().unwrap().to_owned();
        let id = {
            let mut state = self.state();
            let thumbprint = thumbprint.to_owned();
            let (status, error, certificate) = ("pending", None, None);
            state.orders.push(Order { domain, thumbprint, status, error, certificate });
            state.orders.len() - 1
        };
        let location = format!("{}/order/{id}", self.base);
        Response::json(201, &self.order(id)).with("Location", &location)
    }

    fn order(&self, id: usize) -> Value {
        let (base, state) = (&self.base, self.state());
        let order = &state.orders[id];
        let mut shown = json!({
            "status": order.status,
            "identifiers": [{"type": "dns", "value": order.domain}],
            "authorizations": [format!("{base}/authz/{id}")],
            "finalize": format!("{base}/finalize/{id}"),
        });
        if order.certificate.is_some() {
            shown["certificate"] = format!("{base}/certificate/{id}").into();
        }
        shown
    }

    fn authorization(&self, id: usize) -> Value {
        let challenge = self.challenge(id);
        let state = self.state();
        let order = &state.orders[id];
        let status = if order.status == "ready" { "valid" } else { order.status };
        let (host, is_wildcard) = match order.domain.strip_prefix("*.") {
            Some(host) => (host, true),
            None => (order.domain.as_str(), false),
        };
        json!({
            "status": status,
            "identifier": {"type": "dns", "value": host},
            "wildcard": is_wildcard,
            "challenges": [challenge],
        })
    }

    fn challenge(&self, id: usize) -> Value {
        let state = self.state();
        let order = &state.orders[id];
        let status = if order.status == "ready" { "valid" } else { order.status };
        let mut shown = json!({
            "type": "dns-01",
            "url": format!("{}/challenge/{id}", self.base),
            "status": status,
            "token": token(id),
        });
        if let Some(error) = &order.error {
            let problem = "urn:ietf:params:acme:error:unauthorized";
            shown["error"] = json!({"type": problem, "detail": error, "status": 403});
        }
        shown
    }

    /// Asks for the record (RFC 8555 §8.4).
    fn validate(&self, id: usize) {
        let state = self.released.wait_while(self.state(), |state| state.is_held).unwrap();
        let order = &state.orders[id];
        let mut expected = jws::dns_value(&token(id), &order.thumbprint);
        if state.expects_another_value {
            expected.push('x');
        }
        let host = order.domain.trim_start_matches("*.");
        let name = format!("_acme-challenge.{host}.");
        drop(state);
        let reply = UdpClient::new(self.server).ask(&name, "TXT", 1232);
        let texts = reply.answers.iter().filter_map(|record| match &record.data {
            RData::TXT(txt) => Some(txt.to_string()),
            _ => None,
        });
        let found: Vec<String> = texts.collect();
        let mut state = self.state();
        let order = &mut state.orders[id];
        if found.contains(&expected) {
            order.status = "ready";
        } else {
            order.status = "invalid";
            order.error = Some(format!("Incorrect TXT record {found:?} found at {name}"));
        }
    }

    fn finalize(&self, id: usize, jws: &Jws) -> Response {
        let request = jws::decode(jws.payload["csr"].as_str().unwrap());
        let mut request = CertificateSigningRequestParams::from_der(&request.into()).unwrap();
        let mut state = self.state();
        assert_eq!(state.orders[id].status, "ready");
        let now = OffsetDateTime::now_utc();
        request.params.not_before = now;
        request.params.not_after = now + state.lifetime;
        // As many authorities do; kdig refuses an empty subject.
        let name = state.orders[id].domain.clone();
        request.params.distinguished_name.push(DnType::CommonName, name);
        let certificate = request.signed_by(&self.issuer).unwrap();
        let order = &mut state.orders[id];
        order.certificate = Some(certificate.pem() + &self.issuer.pem());
        order.status = "valid";
        drop(state);
        Response::json(200, &self.order(id))
    }
}

fn token(id: usize) -> String {
    format!("token-{id}")
}
