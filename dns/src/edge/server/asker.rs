//! Asks the engine for a client whose questions come each for itself: as a request of HTTP or a stream of QUIC.

use std::sync::Arc;
use std::time::Instant;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;

use super::exchanges::Exchange;
use super::responder::{Question, Received};
use super::service::Service;
use super::workers::{Reserved, Share, Worker};
use crate::wire::Arrival;

/// A connection's client, as its questions see it.
#[derive(Clone, Debug)]
pub(super) struct Asker {
    pub(super) service: Arc<Service>,
    pub(super) arrival: Arrival,
    share: Share,
}

/// What becomes of a message.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Answer {
    /// This is the reply.
    Reply(Vec<u8>),
    /// It is no query, so that there is nothing to reply to.
    NoQuery,
    /// It is not replied to, as a plugin wants it.
    Dropped,
}

impl Asker {
    /// Returns the client of a connection.
    pub(super) fn new(service: &Arc<Service>, arrival: Arrival) -> Self {
        let share = service.workers().share(arrival.client.ip(), arrival.local.ip());
        Self { service: Arc::clone(service), arrival, share }
    }

    /// Waits for a place among the questions under way, no longer than for the rest of a message; none then.
    pub(super) async fn enter(&self) -> Option<Worker> {
        if let Some(worker) = self.share.try_enter() {
            return Some(worker);
        }
        let limit = self.service.settings().read;
        // What waits is in a place of its own, here and below, so that what does not takes little.
        let entered = Box::pin(tokio::time::timeout(limit, self.share.enter())).await;
        let worker = entered.ok().flatten();
        if worker.is_none() {
            self.service.responder.metrics().refused.with_label_values(&["workers"]).inc();
        }
        worker
    }

    /// Takes octets of a message that is not complete, or waits for a place; none when there are not as many.
    pub(super) fn reserve(&self, octets: usize) -> Option<Reserved> {
        let reserved = self.share.reserve(octets);
        if reserved.is_none() {
            let refused = &self.service.responder.metrics().refused;
            refused.with_label_values(&["stream_octets"]).inc();
        }
        reserved
    }

    /// Waits while the client has too much unread.
    pub(super) async fn readable(&self, exchange: &Exchange) {
        let limits = &self.service.limits;
        while let Some(limit) = exchange.held(limits.tcp_unread, limits.tcp_unread_all) {
            self.service.responder.metrics().held.with_label_values(&[limit]).inc();
            Box::pin(exchange.some_reading()).await;
        }
    }

    /// Reads a message the way every transport does.
    pub(super) fn receive(&self, message: &[u8], reply: &mut Vec<u8>) -> Received {
        let Service { responder, id, .. } = &*self.service;
        responder.receive(*id, message, self.arrival, Instant::now(), reply)
    }

    /// Answers a message.
    pub(super) async fn ask(&self, message: &[u8]) -> Answer {
        match self.begin(message) {
            Ok(answer) => answer,
            Err(answering) => answering.await,
        }
    }

    /// Answers a message at once, or returns what it waits for. The question is in no future that has the answer.
    fn begin(&self, message: &[u8]) -> Result<Answer, BoxFuture<'_, Answer>> {
        let mut repeated = Vec::new();
        match self.receive(message, &mut repeated) {
            Received::Written => Ok(Answer::Reply(repeated)),
            Received::Reply(reply) => Ok(reply.map_or(Answer::NoQuery, Answer::Reply)),
            Received::Question(question) => Err(Box::pin(self.answer(question))),
        }
    }

    /// Answers a question: from memory when its turn comes, else whenever the answer is there.
    pub(super) async fn answer(&self, question: Question) -> Answer {
        let responder = Arc::clone(&self.service.responder);
        let mut answering = Box::pin(responder.answer(self.service.id, question));
        let turn = self.service.shared.turns.acquire().await;
        let at_once = answering.as_mut().now_or_never();
        drop(turn);
        let reply = match at_once {
            Some(reply) => reply,
            None => answering.await,
        };
        reply.map_or(Answer::Dropped, Answer::Reply)
    }
}
