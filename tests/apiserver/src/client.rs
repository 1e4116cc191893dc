//! A small HTTPS client for API servers: what the proxy forwards with and tests write with.

use bytes::Bytes;
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Incoming;
use hyper::header::{AUTHORIZATION, CONTENT_TYPE, HOST, HeaderValue};
use hyper::http::request::Builder;
use hyper::{Method, Request, Response, Uri};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ClientConfig, RootCertStore};
use serde_json::Value;

use crate::authority::provider;
use crate::error::Error;
use crate::kubeconfig::read::Access;

/// Largest answer read in full.
const MAX_ANSWER_BYTES: usize = 1 << 30;

/// Sends requests to one API server with the credentials of a kubeconfig.
#[derive(Clone)]
pub struct ApiClient {
    http: Client<HttpsConnector<HttpConnector>, Full<Bytes>>,
    url: String,
    authorization: Option<HeaderValue>,
}

impl ApiClient {
    /// Returns a client that speaks HTTP/2 where the server does; nothing is sent yet.
    ///
    /// # Errors
    /// When the certificates or the token cannot be used.
    pub fn new(access: &Access) -> Result<Self, Error> {
        let connector = HttpsConnectorBuilder::new().with_tls_config(tls(access)?);
        Self::over(connector.https_or_http().enable_all_versions().build(), access)
    }

    /// Returns a client that speaks HTTP/1.1 only.
    ///
    /// # Errors
    /// When the certificates or the token cannot be used.
    pub fn http1(access: &Access) -> Result<Self, Error> {
        let connector = HttpsConnectorBuilder::new().with_tls_config(tls(access)?);
        Self::over(connector.https_or_http().enable_http1().build(), access)
    }

    fn over(connector: HttpsConnector<HttpConnector>, access: &Access) -> Result<Self, Error> {
        let authorization = access.token.as_ref().map(|token| {
            let header = HeaderValue::from_str(&format!("Bearer {token}"));
            header.map_err(|_| Error::Request("the token is not a header value".to_owned()))
        });
        Ok(Self {
            http: Client::builder(TokioExecutor::new()).build(connector),
            url: access.url.clone(),
            authorization: authorization.transpose()?,
        })
    }

    /// Sends a request whose URI holds path and query; the body streams as it comes.
    ///
    /// # Errors
    /// When the server cannot be reached or does not speak HTTP.
    pub async fn send(&self, request: Request<Bytes>) -> Result<Response<Incoming>, Error> {
        let (mut head, body) = request.into_parts();
        let path = head.uri.path_and_query().map_or("/", |path| path.as_str());
        let uri: Result<Uri, _> = format!("{}{path}", self.url).parse();
        head.uri = uri.map_err(|error| Error::Request(error.to_string()))?;
        head.version = hyper::Version::HTTP_11;
        head.headers.remove(HOST);
        head.headers.remove(AUTHORIZATION);
        if let Some(authorization) = &self.authorization {
            head.headers.insert(AUTHORIZATION, authorization.clone());
        }
        let request = Request::from_parts(head, Full::new(body));
        let answer = self.http.request(request).await;
        answer.map_err(|error| Error::Request(with_sources(&error)))
    }

    /// Sends a request and reads the answer, which is JSON or text, in full.
    ///
    /// # Errors
    /// When the server cannot be reached or breaks off; any status code is fine.
    pub async fn exchange(
        &self,
        method: Method,
        path: &str,
        content_type: &str,
        body: impl Into<Bytes>,
    ) -> Result<(u16, Value), Error> {
        let request: Builder = Request::builder().method(method).uri(path);
        let request = request.header(CONTENT_TYPE, content_type).body(body.into());
        let request = request.map_err(|error| Error::Request(error.to_string()))?;
        let response = self.send(request).await?;
        let code = response.status().as_u16();
        let whole = Limited::new(response.into_body(), MAX_ANSWER_BYTES).collect().await;
        let whole = whole.map_err(|error| Error::Request(error.to_string()))?.to_bytes();
        let json = serde_json::from_slice(&whole)
            .unwrap_or_else(|_| Value::String(String::from_utf8_lossy(&whole).into_owned()));
        Ok((code, json))
    }
}

fn tls(access: &Access) -> Result<ClientConfig, Error> {
    let pem_error = |error: rustls::pki_types::pem::Error| Error::Request(error.to_string());
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(access.ca_pem.as_bytes()) {
        roots.add(certificate.map_err(pem_error)?)?;
    }
    let config = ClientConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots);
    let Some(identity) = &access.identity else {
        return Ok(config.with_no_client_auth());
    };
    let chain = CertificateDer::pem_slice_iter(identity.certificate_pem.as_bytes());
    let chain = chain.collect::<Result<Vec<_>, _>>().map_err(pem_error)?;
    let key = PrivateKeyDer::from_pem_slice(identity.key_pem.as_bytes()).map_err(pem_error)?;
    Ok(config.with_client_auth_cert(chain, key)?)
}

fn with_sources(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text = format!("{text}: {cause}");
        source = cause.source();
    }
    text
}
