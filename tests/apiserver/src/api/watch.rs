//! Watches: initial events, changes, bookmarks and the 410 of a watch that fell behind
//! (Kubernetes API concepts, "Efficient detection of changes" and "Streaming lists").

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use serde_json::{Value, json};
use tokio::time::Instant;

use super::revision;
use super::selection::Selection;
use super::status::Refusal;
use crate::body::{self, Body, BodySender};
use crate::query::Query;
use crate::resource::Resource;
use crate::store::history::{Change, ChangeKind};
use crate::store::object::Object;
use crate::store::{Range, Store};

/// Changes read from the store at a time, so that its lock is never held for long.
const BATCH: usize = 512;

/// How often and how long the server sends what nobody asked for in the request.
#[derive(Clone, Copy, Debug)]
pub struct WatchTimes {
    /// Time between bookmarks.
    pub bookmarks: Duration,
    /// Time a watch lasts that sets no `timeoutSeconds`.
    pub timeout: Duration,
}

/// A watch as asked for.
pub struct Watch {
    range: Range,
    resource: Arc<Resource>,
    selection: Selection,
    start: Start,
    has_bookmarks: bool,
    times: WatchTimes,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Start {
    /// The current objects as ADDED events, then changes.
    Initial { has_end_bookmark: bool },
    /// Changes after a revision.
    After(u64),
}

impl Watch {
    /// Reads the parameters of a watch.
    ///
    /// # Errors
    /// 400 and 422 for parameters the API does not allow.
    pub fn parse(
        resource: Arc<Resource>,
        namespace: Option<String>,
        query: &Query,
        mut times: WatchTimes,
    ) -> Result<Self, Refusal> {
        let has_bookmarks = query.is_true("allowWatchBookmarks");
        if let Some(seconds) = query.get("timeoutSeconds").and_then(|text| text.parse().ok()) {
            times.timeout = Duration::from_secs(seconds);
        }
        Ok(Self {
            selection: Selection::parse(query, &resource)?,
            start: start(query, has_bookmarks)?,
            range: Range { resource: resource.id(), namespace, after: None },
            resource,
            has_bookmarks,
            times,
        })
    }

    /// Starts the watch; it ends when its time is over or the client goes away.
    pub fn run(self, store: Arc<Store>) -> Body {
        let (sender, body) = body::channel();
        tokio::spawn(async move {
            // An error only says that the client is gone.
            let _ = self.stream(&store, &sender).await;
        });
        body
    }

    async fn stream(&self, store: &Store, out: &BodySender) -> Result<(), Gone> {
        let deadline = Instant::now() + self.times.timeout;
        let mut revisions = store.revisions();
        let mut bookmarks = store.bookmarks();
        let mut cursor = self.begin(store, out).await?;
        let mut bookmark_at = Instant::now() + self.times.bookmarks;
        loop {
            revisions.borrow_and_update();
            cursor = match self.changes(store, cursor) {
                Ok((lines, upto)) => {
                    send(out, lines).await?;
                    upto
                }
                Err(refusal) => return send(out, vec![event("ERROR", &refusal.status())]).await,
            };
            if cursor < store.read().revision() {
                continue;
            }
            tokio::select! {
                _ = revisions.changed() => {}
                _ = bookmarks.changed() => self.bookmark(out, cursor).await?,
                () = tokio::time::sleep_until(bookmark_at) => {
                    self.bookmark(out, cursor).await?;
                    bookmark_at = Instant::now() + self.times.bookmarks;
                }
                () = tokio::time::sleep_until(deadline) => return self.bookmark(out, cursor).await,
                () = out.closed() => return Err(Gone),
            }
        }
    }

    /// Sends the initial events, if asked for; returns the revision to go on from.
    async fn begin(&self, store: &Store, out: &BodySender) -> Result<u64, Gone> {
        let has_end_bookmark = match self.start {
            Start::After(revision) => return Ok(revision),
            Start::Initial { has_end_bookmark } => has_end_bookmark,
        };
        let (objects, revision) = {
            let state = store.read();
            let objects: Vec<_> = match state.scan(&self.range, state.revision()) {
                Ok(scan) => scan.filter(|o| self.selection.matches(&o.value)).collect(),
                Err(_) => Vec::new(),
            };
            (objects, state.revision())
        };
        for object in objects {
            send(out, vec![line("ADDED", &object.bytes)]).await?;
        }
        if has_end_bookmark {
            let annotations = json!({"k8s.io/initial-events-end": "true"});
            send(out, vec![self.bookmark_line(revision, Some(annotations))]).await?;
        }
        Ok(revision)
    }

    fn changes(&self, store: &Store, cursor: u64) -> Result<(Vec<Bytes>, u64), Refusal> {
        let state = store.read();
        let changes = state.since(cursor).map_err(|compacted| {
            let oldest = compacted.oldest;
            Refusal::expired(format!("too old resource version: {cursor} ({oldest})"))
        })?;
        let mut upto = cursor;
        let mut lines = Vec::new();
        for change in changes.take(BATCH) {
            upto = change.revision;
            if self.range.contains(&change.object.key) {
                lines.extend(self.change_line(change));
            }
        }
        Ok((lines, upto))
    }

    /// An object that enters the selection is ADDED, one that leaves it DELETED.
    fn change_line(&self, change: &Change) -> Option<Bytes> {
        let is_selected = self.selection.matches(&change.object.value);
        let previous = change.previous.as_ref();
        let previous = previous.filter(|object| self.selection.matches(&object.value));
        let bytes = &change.object.bytes;
        match (change.kind, is_selected, previous) {
            (ChangeKind::Created, true, _) | (ChangeKind::Updated, true, None) => {
                Some(line("ADDED", bytes))
            }
            (ChangeKind::Updated, true, Some(_)) => Some(line("MODIFIED", bytes)),
            (ChangeKind::Updated, false, Some(previous)) => {
                let (key, value) = (previous.key.clone(), previous.value.clone());
                let last = Object::new(key, value, change.revision);
                Some(line("DELETED", &last.bytes))
            }
            (ChangeKind::Deleted, _, Some(_)) => Some(line("DELETED", bytes)),
            (ChangeKind::Created | ChangeKind::Updated, false, _)
            | (ChangeKind::Deleted, _, None) => None,
        }
    }

    async fn bookmark(&self, out: &BodySender, revision: u64) -> Result<(), Gone> {
        if self.has_bookmarks {
            send(out, vec![self.bookmark_line(revision, None)]).await?;
        }
        Ok(())
    }

    fn bookmark_line(&self, revision: u64, annotations: Option<Value>) -> Bytes {
        let mut metadata = json!({
            "resourceVersion": revision.to_string(),
            "creationTimestamp": null,
        });
        if let Some(annotations) = annotations {
            metadata["annotations"] = annotations;
        }
        let object = json!({
            "kind": self.resource.kind,
            "apiVersion": self.resource.api_version(),
            "metadata": metadata,
        });
        event("BOOKMARK", &object)
    }
}

/// The client has gone away.
struct Gone;

async fn send(out: &BodySender, lines: Vec<Bytes>) -> Result<(), Gone> {
    for line in lines {
        out.send(Ok(line)).await.map_err(|_| Gone)?;
    }
    Ok(())
}

fn line(kind: &str, object: &[u8]) -> Bytes {
    let head = format!(r#"{{"type":"{kind}","object":"#);
    Bytes::from([head.as_bytes(), object, b"}\n"].concat())
}

fn event(kind: &str, object: &Value) -> Bytes {
    line(kind, object.to_string().as_bytes())
}

fn start(query: &Query, has_bookmarks: bool) -> Result<Start, Refusal> {
    let version = revision::version(query)?;
    let version_match = query.get("resourceVersionMatch");
    if query.get("sendInitialEvents").is_some() {
        if version_match != Some("NotOlderThan") {
            let message = "resourceVersionMatch: Forbidden: sendInitialEvents requires setting \
                           resourceVersionMatch to NotOlderThan";
            return Err(Refusal::new(422, "Invalid", message));
        }
        if query.is_true("sendInitialEvents") {
            let has_end_bookmark = has_bookmarks;
            return Ok(Start::Initial { has_end_bookmark });
        }
    } else if version_match.is_some() {
        let message = "resourceVersionMatch is forbidden for watch unless sendInitialEvents is \
                       provided";
        return Err(Refusal::new(422, "Invalid", message));
    }
    Ok(match version {
        None | Some(0) => Start::Initial { has_end_bookmark: false },
        Some(version) => Start::After(version),
    })
}
