//! Lists: a page of a resource at one revision, streamed from the stored bytes.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::{Bytes, BytesMut};
use http_body::{Frame, SizeHint};
use http_body_util::BodyExt;
use serde_json::json;

use super::revision::{Continue, ReadAt};
use super::selection::Selection;
use super::status::Refusal;
use crate::body::{Body, BodyError};
use crate::query::Query;
use crate::resource::Resource;
use crate::store::object::Object;
use crate::store::{Range, State};

/// Size a chunk of a list grows to before it is sent.
const CHUNK_BYTES: usize = 64 * 1024;

/// A page of a list.
pub struct Page {
    objects: Vec<Arc<Object>>,
    revision: u64,
    next: Option<Continue>,
    remaining: Option<usize>,
}

/// Reads the page a request asks for.
///
/// # Errors
/// 400 for bad parameters, 410 when the revision is compacted, 504 when it lies in the future.
pub fn page(
    state: &State,
    resource: &Resource,
    namespace: Option<String>,
    query: &Query,
) -> Result<Page, Refusal> {
    let selection = Selection::parse(query, resource)?;
    let (revision, after, has_limit) = start(state, query)?;
    let limit = if has_limit { limit(query) } else { usize::MAX };
    let range = Range { resource: resource.id(), namespace, after };
    let scan = state.scan(&range, revision).map_err(|_| expired(query))?;
    let mut scan = scan.filter(|object| selection.matches(&object.value)).peekable();
    let objects: Vec<_> = scan.by_ref().take(limit).collect();
    let last = objects.last().filter(|_| scan.peek().is_some());
    let next = last.map(|last| Continue {
        revision,
        namespace: last.key.namespace.clone(),
        name: last.key.name.clone(),
    });
    // The API leaves the count out when a selector makes it expensive.
    let is_counted = next.is_some() && selection.is_everything();
    let remaining = is_counted.then(|| scan.count());
    Ok(Page { objects, revision, next, remaining })
}

fn limit(query: &Query) -> usize {
    let limit = query.get("limit").and_then(|text| text.parse().ok());
    limit.filter(|limit| *limit > 0).unwrap_or(usize::MAX)
}

type Start = (u64, Option<(String, String)>, bool);

fn start(state: &State, query: &Query) -> Result<Start, Refusal> {
    let current = state.revision();
    if let Some(token) = query.get("continue") {
        let token = Continue::parse(token)?;
        if query.get("resourceVersion").is_some() || query.get("resourceVersionMatch").is_some() {
            let message = "specifying resource version is not allowed when using continue";
            return Err(Refusal::bad_request(message));
        }
        return Ok((token.revision, Some((token.namespace, token.name)), true));
    }
    match ReadAt::parse(query)? {
        ReadAt::Any => Ok((current, None, false)),
        ReadAt::NotOlderThan(asked) | ReadAt::Exact(asked) if asked > current => {
            Err(Refusal::too_large_version(asked, current))
        }
        ReadAt::Latest | ReadAt::NotOlderThan(_) => Ok((current, None, true)),
        ReadAt::Exact(asked) => Ok((asked, None, true)),
    }
}

fn expired(query: &Query) -> Refusal {
    Refusal::expired(match query.get("continue") {
        Some(_) => {
            "The provided continue parameter is too old to display a consistent list result. You \
             must start a new list without the continue parameter."
        }
        None => "The resourceVersion for the provided list is too old.",
    })
}

impl Page {
    /// Returns a page of objects read otherwise, such as those a deletion removed.
    pub fn of(objects: Vec<Arc<Object>>, revision: u64) -> Self {
        Self { objects, revision, next: None, remaining: None }
    }

    /// Returns the page as a list object.
    pub fn body(self, resource: &Resource) -> Body {
        let mut metadata = json!({"resourceVersion": self.revision.to_string()});
        if let Some(next) = &self.next {
            metadata["continue"] = next.token().into();
        }
        if let Some(remaining) = self.remaining {
            metadata["remainingItemCount"] = remaining.into();
        }
        let head = format!(
            r#"{{"kind":"{}List","apiVersion":"{}","metadata":{metadata},"items":["#,
            resource.kind,
            resource.api_version(),
        );
        let commas = self.objects.len().saturating_sub(1);
        let items: usize = self.objects.iter().map(|object| object.bytes.len()).sum();
        let body = ListBody {
            remaining: head.len() + items + commas + TAIL.len(),
            head: Some(head),
            is_first: true,
            objects: self.objects.into_iter(),
        };
        body.boxed_unsync()
    }
}

const TAIL: &str = "]}\n";

/// Builds chunks as the client reads them, so that a large list is never in memory twice.
struct ListBody {
    head: Option<String>,
    is_first: bool,
    objects: std::vec::IntoIter<Arc<Object>>,
    remaining: usize,
}

impl ListBody {
    fn chunk(&mut self) -> Bytes {
        let mut chunk = BytesMut::with_capacity(self.remaining.min(CHUNK_BYTES + 4096));
        if let Some(head) = self.head.take() {
            chunk.extend_from_slice(head.as_bytes());
        }
        while chunk.len() < CHUNK_BYTES {
            let Some(object) = self.objects.next() else {
                chunk.extend_from_slice(TAIL.as_bytes());
                break;
            };
            if !std::mem::take(&mut self.is_first) {
                chunk.extend_from_slice(b",");
            }
            chunk.extend_from_slice(&object.bytes);
        }
        self.remaining = self.remaining.saturating_sub(chunk.len());
        chunk.freeze()
    }
}

impl http_body::Body for ListBody {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        if self.remaining == 0 {
            return Poll::Ready(None);
        }
        Poll::Ready(Some(Ok(Frame::data(self.chunk()))))
    }

    fn is_end_stream(&self) -> bool {
        self.remaining == 0
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.remaining as u64)
    }
}
