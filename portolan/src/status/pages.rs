//! The pages of the admin endpoints.

use std::sync::Arc;
use std::time::{Duration, Instant};

use dns::edge::hostname::hostname;
use dns::edge::http::{Handler, HttpReply, HttpRequest, Routes, Turns};
use hyper::StatusCode;
use hyper::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, HeaderName, HeaderValue, REFERRER_POLICY,
    X_CONTENT_TYPE_OPTIONS,
};

use super::html::{self, Refresh};
use super::json;
use super::view::{Section, View};

/// What a browser may do with the page: show it, with our style sheet. No script runs, nothing is loaded from elsewhere,
/// no form is sent, and no other page has it in a frame.
const POLICY: &str = "default-src 'none'; style-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

const STYLE: &str = include_str!("style.css");

/// What all views of a process have in common.
#[derive(Clone, Debug)]
pub(crate) struct Process {
    role: &'static str,
    host: String,
    started: Instant,
}

/// In which form a view is asked for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Form {
    Html,
    Json,
}

impl Process {
    /// Returns the process of a role that starts here.
    pub(crate) fn start(role: &'static str) -> Self {
        Self { role, host: hostname(), started: Instant::now() }
    }

    /// Returns for how long it runs.
    pub(crate) fn uptime(&self) -> Duration {
        self.started.elapsed()
    }

    /// Returns its view.
    pub(crate) fn view(&self, problems: Vec<String>, sections: Vec<Section>) -> View {
        View {
            role: self.role.to_owned(),
            host: self.host.clone(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            uptime: Some(self.uptime()),
            problems,
            sections,
        }
    }
}

/// Adds the pages of a role to its endpoints.
pub(crate) fn add(
    routes: Routes,
    view: impl Fn(&HttpRequest) -> View + Send + Sync + 'static,
) -> Routes {
    let (view, turns) = (Arc::new(view), Turns::default());
    let pages = [("/", Form::Html), ("/status", Form::Html), ("/status.json", Form::Json)];
    let with_pages = pages.into_iter().fold(routes, |routes, (path, form)| {
        let view = Arc::clone(&view);
        routes.route(path, page(&turns, form, move |request| view(request)))
    });
    with_pages.route("/status.css", style())
}

/// Returns the handler of a view in one form.
pub(crate) fn page(
    turns: &Turns,
    form: Form,
    view: impl Fn(&HttpRequest) -> View + Send + Sync + 'static,
) -> Handler {
    // Views ask the kernel, or look at every pair of a hundred pods.
    turns.handler(move |request| reply(form, &view(request), request))
}

fn reply(form: Form, view: &View, request: &HttpRequest) -> HttpReply {
    match form {
        Form::Html => {
            let is_off = request.parameter("refresh").is_some_and(|refresh| refresh == "off");
            let refresh = if is_off { Refresh::Off } else { Refresh::On };
            guarded("text/html; charset=utf-8", html::write(view, refresh))
        }
        Form::Json => guarded("application/json", json::write(view).to_string()),
    }
}

/// Returns the handler of the style sheet.
pub(crate) fn style() -> Handler {
    Arc::new(|_| Box::pin(std::future::ready(guarded("text/css; charset=utf-8", STYLE.to_owned()))))
}

/// Returns a reply that browsers take for nothing else, keep nowhere and tell nobody of.
fn guarded(content_type: &'static str, body: String) -> HttpReply {
    let header = |name: HeaderName, value| (name, HeaderValue::from_static(value));
    let headers = vec![
        header(CONTENT_SECURITY_POLICY, POLICY),
        header(X_CONTENT_TYPE_OPTIONS, "nosniff"),
        header(REFERRER_POLICY, "no-referrer"),
        header(CACHE_CONTROL, "no-store"),
        header(HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
    ];
    HttpReply { content_type, headers, ..HttpReply::text(StatusCode::OK, body) }
}
