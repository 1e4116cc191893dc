//! `/debug/explain` and `/debug/cluster` of the admin endpoints.

use std::sync::Arc;

use dns::edge::http::{Handler, HttpReply, HttpRequest, Turns};
use hyper::StatusCode;

use super::Built;
use crate::admin::objects;
use crate::explain::{Question, explanation};

/// Returns the handler of `/debug/explain?name=NAME&type=TYPE[&client=ADDRESS]`: a JSON object.
pub(crate) fn explain(built: &Arc<Built>) -> Handler {
    let built = Arc::clone(built);
    Arc::new(move |request: HttpRequest| {
        let built = Arc::clone(&built);
        Box::pin(async move { reply(&built, &request).await })
    })
}

/// Returns the handler of `/debug/cluster[?source=N]`: the objects of a source as a Kubernetes List, which can be
/// saved and served with `--manifests`. Sources are counted from 0 in the order of the Corefile.
pub(crate) fn cluster(built: &Arc<Built>, turns: &Turns) -> Handler {
    let built = Arc::clone(built);
    turns.handler(move |request| cluster_reply(&built, request))
}

fn cluster_reply(built: &Built, request: &HttpRequest) -> HttpReply {
    let served = built.served();
    let number = request.parameter("source").map_or(Ok(0), |text| text.parse::<usize>());
    let source = number.ok().and_then(|number| served.sources.iter().nth(number));
    let Some((_, source)) = source else {
        let text = "no such source: they are counted from 0 in the order of the Corefile\n";
        return HttpReply::text(StatusCode::NOT_FOUND, text);
    };
    objects(source)
}

async fn reply(built: &Built, request: &HttpRequest) -> HttpReply {
    let name = request.parameter("name").unwrap_or_default();
    let qtype = request.parameter("type").unwrap_or_else(|| "A".to_owned());
    let client = request.parameter("client").unwrap_or_else(|| "127.0.0.1".to_owned());
    let Ok(client) = client.parse() else {
        let text = format!("{client:?} is no address of a client\n");
        return HttpReply::text(StatusCode::BAD_REQUEST, text);
    };
    let question = match Question::parse(&name, &qtype) {
        Ok(question) => question.asked_by(client),
        Err(error) => return HttpReply::text(StatusCode::BAD_REQUEST, format!("{error:#}\n")),
    };
    let explanation = explanation(built, &question).await;
    match serde_json::to_vec(&explanation) {
        Ok(body) => HttpReply::json(body),
        Err(error) => HttpReply::text(StatusCode::INTERNAL_SERVER_ERROR, format!("{error}\n")),
    }
}
