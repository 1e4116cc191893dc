//! What to ask the server next: a state machine without effects.
//!
//! ```text
//!  Start ── Stream ──► Streaming ── bookmark "initial-events-end" ──► Following ──► watch, resume, …
//!    │ (refused)                                                        ▲   │
//!    └─── FirstPage ─► Paging ── last page ─────────────────────────────┘   │ 410 Gone
//!    ▲                                                                      │
//!    └──────────────────────────────────────────────────────────────────────┘
//! ```
//!
//! A list is told to the model by `ListStart` and `ListEnd`. One that does not end sweeps nothing: the next
//! `ListStart` begins anew.

use std::time::Duration;

use super::backoff::Delay;
use super::step::{End, Health, Input, Mark, Refusal, Request, Step, Then};

/// What is known of the server's state of one kind.
#[derive(Clone, PartialEq, Eq, Debug)]
enum Phase {
    /// Nothing, or too old a version.
    Start,
    /// A part of the list, which comes as a stream.
    Streaming,
    /// A part of the list, up to the page behind this token.
    Paging(Option<String>),
    /// Everything up to a version.
    Following(String),
}

/// How the list is asked for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Listing {
    Stream,
    Pages,
    Whole,
}

/// Decides what to ask next for one kind.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Reflector {
    phase: Phase,
    listing: Listing,
    /// Attempts that failed in a row.
    failures: u32,
    /// Those of them in which no server was reached.
    unreached: u32,
    /// Streamed lists that were cut in a row.
    cut_streams: u32,
    /// Watches that ended in garbage without a step forward.
    garbage: u32,
    stable_after: Duration,
}

/// After so many cut streams the list is asked for in pages, which resume.
const MOST_CUT_STREAMS: u32 = 3;

/// After so much garbage at one version the list is asked for anew.
const MOST_GARBAGE: u32 = 3;

/// A watch that brings changes is worth a quick retry, however often it breaks.
const FAILURES_OF_A_USEFUL_WATCH: u32 = 2;

impl Reflector {
    /// Returns the state before the first request. A watch that lives for `stable_after` is no failure.
    pub(crate) fn new(stable_after: Duration) -> Self {
        Self {
            phase: Phase::Start,
            listing: Listing::Stream,
            failures: 0,
            unreached: 0,
            cut_streams: 0,
            garbage: 0,
            stable_after,
        }
    }

    /// Returns what to ask now.
    pub(crate) fn request(&self) -> Request {
        match (&self.phase, self.listing) {
            (Phase::Following(version), _) => Request::Watch { resource_version: version.clone() },
            (Phase::Paging(Some(token)), _) => Request::Page { token: token.clone() },
            (_, Listing::Stream) => Request::Stream,
            (_, Listing::Pages) => Request::FirstPage,
            (_, Listing::Whole) => Request::Whole,
        }
    }

    /// Says whether what comes now are changes, and not a part of the list.
    pub(crate) fn is_following(&self) -> bool {
        matches!(self.phase, Phase::Following(_))
    }

    /// Takes what happened and says what to do.
    pub(crate) fn step(&mut self, input: Input) -> Step {
        match input {
            Input::Opened => self.opened(),
            Input::Page { resource_version, more } => self.page(resource_version, more),
            Input::Change { resource_version } => self.change(resource_version),
            Input::Bookmark { resource_version, ends_list } => {
                self.bookmark(resource_version, ends_list)
            }
            Input::Refused(refusal) => self.refused(&refusal),
            Input::Over { end, lived } => self.over(end, lived),
        }
    }

    fn opened(&mut self) -> Step {
        match (&self.phase, self.listing) {
            (Phase::Following(_), _) => Step { health: Health::Live, ..Step::READ },
            (Phase::Start, Listing::Stream) => self.begin(Phase::Streaming),
            (Phase::Start, Listing::Pages | Listing::Whole) => self.begin(Phase::Paging(None)),
            (Phase::Streaming | Phase::Paging(_), _) => Step::READ,
        }
    }

    fn begin(&mut self, phase: Phase) -> Step {
        self.phase = phase;
        Step { mark: Some(Mark::ListStart), ..Step::READ }
    }

    fn page(&mut self, resource_version: String, more: Option<String>) -> Step {
        let then = Then::Ask(Delay::None);
        match more {
            Some(token) => {
                self.phase = Phase::Paging(Some(token));
                Step { then, ..Step::READ }
            }
            None => Step { then, ..self.end_list(resource_version) },
        }
    }

    fn end_list(&mut self, resource_version: String) -> Step {
        self.phase = Phase::Following(resource_version);
        self.cut_streams = 0;
        Step { mark: Some(Mark::ListEnd), health: Health::Live, ..Step::READ }
    }

    fn change(&mut self, resource_version: String) -> Step {
        // The initial events of a stream come in any order: only the bookmark behind them is a version
        // that one can resume from.
        if let Phase::Following(version) = &mut self.phase
            && !resource_version.is_empty()
            && *version != resource_version
        {
            *version = resource_version;
            self.garbage = 0;
            self.failures = self.failures.min(FAILURES_OF_A_USEFUL_WATCH);
            self.unreached = 0;
        }
        Step::READ
    }

    fn bookmark(&mut self, resource_version: String, ends_list: bool) -> Step {
        match &mut self.phase {
            Phase::Streaming if ends_list => self.end_list(resource_version),
            Phase::Following(version) => {
                *version = resource_version;
                self.garbage = 0;
                Step::READ
            }
            Phase::Start | Phase::Streaming | Phase::Paging(_) => Step::READ,
        }
    }

    fn refused(&mut self, refusal: &Refusal) -> Step {
        // The server is back: what it wants is not to wait for as long as it was gone.
        self.failures = self.failures.saturating_sub(std::mem::take(&mut self.unreached));
        let asks_stream = matches!(self.phase, Phase::Start) && self.listing == Listing::Stream;
        if asks_stream && refusal.is_invalid() {
            // A server without KEP-3157 says so by 400 or 422.
            self.listing = Listing::Pages;
            return Step { then: Then::Ask(Delay::None), ..Step::READ };
        }
        match self.phase {
            Phase::Paging(_) if refusal.code == 410 => {
                self.listing = Listing::Whole;
                self.phase = Phase::Start;
            }
            Phase::Following(_) if refusal.code != 410 && !refusal.is_invalid() => {}
            Phase::Paging(Some(_)) if !refusal.is_invalid() => {}
            Phase::Streaming => self.cut(),
            Phase::Start | Phase::Paging(_) | Phase::Following(_) => self.phase = Phase::Start,
        }
        self.fail(refusal.retry_after, Health::Lost)
    }

    fn over(&mut self, end: End, lived: Duration) -> Step {
        match self.phase {
            Phase::Following(_) if end == End::Garbage => {
                self.garbage += 1;
                if self.garbage >= MOST_GARBAGE {
                    self.garbage = 0;
                    self.phase = Phase::Start;
                }
            }
            Phase::Following(_) if end == End::Idle || lived >= self.stable_after => {
                (self.failures, self.unreached) = (0, 0);
            }
            Phase::Streaming if end == End::Idle => {
                // The server ignores that initial events are asked for and never ends them.
                self.listing = Listing::Pages;
                self.phase = Phase::Start;
            }
            Phase::Streaming => self.cut(),
            Phase::Paging(None) => self.phase = Phase::Start,
            Phase::Start | Phase::Paging(Some(_)) | Phase::Following(_) => {}
        }
        if end == End::Failed && lived.is_zero() {
            self.unreached = self.unreached.saturating_add(1);
        }
        // That a watch ends is ordinary, they are limited in time; that the next one does not begin is not.
        let is_ordinary = self.is_following() && self.failures == 0 && !lived.is_zero();
        let health = if is_ordinary { Health::Same } else { Health::Lost };
        self.fail(Duration::ZERO, health)
    }

    /// Begins anew after a streamed list was cut.
    fn cut(&mut self) {
        self.phase = Phase::Start;
        self.cut_streams += 1;
        if self.cut_streams >= MOST_CUT_STREAMS && self.listing == Listing::Stream {
            self.listing = Listing::Pages;
        }
    }

    fn fail(&mut self, at_least: Duration, health: Health) -> Step {
        self.failures = self.failures.saturating_add(1);
        let delay = Delay::Backoff { failures: self.failures, at_least };
        Step { mark: None, health, then: Then::Ask(delay) }
    }
}

#[cfg(test)]
mod tests;
