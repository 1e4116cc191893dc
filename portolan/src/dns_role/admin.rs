//! `/debug/explain` of the admin endpoints.

use std::sync::Arc;

use dns::edge::http::{Handler, HttpReply, HttpRequest};
use hyper::StatusCode;

use super::Built;
use crate::explain::{Question, explanation};

/// Returns the handler of `/debug/explain?name=NAME&type=TYPE`: a JSON object.
pub(crate) fn explain(built: &Arc<Built>) -> Handler {
    let built = Arc::clone(built);
    Arc::new(move |request: HttpRequest| {
        let built = Arc::clone(&built);
        Box::pin(async move { reply(&built, &request).await })
    })
}

async fn reply(built: &Built, request: &HttpRequest) -> HttpReply {
    let name = request.parameter("name").unwrap_or_default();
    let qtype = request.parameter("type").unwrap_or_else(|| "A".to_owned());
    let question = match Question::parse(&name, &qtype) {
        Ok(question) => question,
        Err(error) => return HttpReply::text(StatusCode::BAD_REQUEST, format!("{error:#}\n")),
    };
    let explanation = explanation(built, &question).await;
    match serde_json::to_vec(&explanation) {
        Ok(body) => HttpReply::json(body),
        Err(error) => HttpReply::text(StatusCode::INTERNAL_SERVER_ERROR, format!("{error}\n")),
    }
}
