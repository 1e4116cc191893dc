use std::time::Duration;

use hickory_proto::op::{Edns, ResponseCode};
use hickory_proto::rr::rdata::SOA;
use hickory_proto::rr::{Name, RData, Record, RecordType};
use tokio::time::advance;

use super::*;
use crate::engine::{Block, Engine, ListenerId, Router, Trace};
use crate::plugin::testing::{configure, query, record, with_site};

use self::source::Source;

/// What stands behind a cache in the tests: answers as it is told, and counts.
pub(super) mod source {
    use std::collections::VecDeque;
    use std::sync::{Arc, Mutex};

    use crate::engine::Context;
    use crate::plugin::{Handling, Outcome, Plugin};
    use crate::{Query, Reply};

    #[derive(Clone, Default, Debug)]
    pub(crate) struct Source(Arc<Mutex<Script>>);

    #[derive(Default, Debug)]
    struct Script {
        /// The last one stays; none means never to answer.
        replies: VecDeque<Option<Reply>>,
        asked: usize,
    }

    impl Source {
        pub(crate) fn then(&self, reply: Option<Reply>) {
            self.0.lock().unwrap().replies.push_back(reply);
        }

        pub(crate) fn asked(&self) -> usize {
            self.0.lock().unwrap().asked
        }
    }

    impl Plugin for Source {
        fn name(&self) -> &'static str {
            "source"
        }

        fn query<'a>(&'a self, _: &'a mut Query, _: &'a Context<'a>) -> Handling<'a> {
            let mut script = self.0.lock().unwrap();
            script.asked += 1;
            if script.replies.len() > 1 {
                script.replies.pop_front();
            }
            match script.replies.front().cloned().flatten() {
                Some(reply) => Handling::reply(reply),
                None => Handling::Later(Box::pin(std::future::pending::<Outcome>())),
            }
        }
    }
}

/// A server with a cache before a source.
pub(super) struct Server {
    engine: Engine,
    pub(super) source: Source,
    pub(super) cache: Cache,
}

impl Server {
    pub(super) fn new(config: &str, first: Option<Reply>) -> Self {
        let zones = [Name::root().into()];
        let config = configure(config, |found| CacheConfig::parse(found, &zones)).unwrap();
        let cache = with_site(|site| {
            let store = site.stores.of(site, &config);
            Cache::new(config.clone(), store, site)
        });
        let source = Source::default();
        source.then(first);
        let plugins: Vec<Box<dyn Plugin>> = vec![Box::new(cache.clone()), Box::new(source.clone())];
        let mut router = Router::default();
        router.add(Name::root().into(), 0);
        let engine = Engine::new(vec![Block::new("Corefile:1", plugins)], vec![router]);
        Self { engine, source, cache }
    }

    /// From here on the source gives this.
    pub(super) fn source_gives(&self, reply: Option<Reply>) {
        self.source.then(reply);
    }

    pub(super) async fn ask_as(&self, mut query: Query) -> Reply {
        self.engine.answer(ListenerId(0), &mut query, None).await.reply.unwrap()
    }

    pub(super) async fn ask(&self, name: &str) -> Reply {
        self.ask_as(query(name, RecordType::A)).await
    }

    /// Returns the last octet of the first address, and the TTL.
    pub(super) async fn address(&self, name: &str) -> (u8, u32) {
        let reply = self.ask(name).await;
        let RData::A(address) = &reply.answers[0].data else { panic!("{reply:?}") };
        (address.0.octets()[3], reply.answers[0].ttl)
    }
}

pub(super) fn address(last: u8, ttl: u32) -> Option<Reply> {
    let mut answer = record("a.example.", &format!("10.0.0.{last}"));
    answer.ttl = ttl;
    Some(Reply { answers: vec![answer], ..Reply::default() })
}

pub(super) fn nxdomain(ttl: u32) -> Option<Reply> {
    let root = Name::root;
    let soa = SOA::new(root(), root(), 1, 1, 1, 1, ttl);
    let authorities = vec![Record::from_rdata(root(), ttl, RData::SOA(soa))];
    Some(Reply { authorities, ..Reply::new(ResponseCode::NXDomain) })
}

const fn secs(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

#[tokio::test(start_paused = true)]
async fn an_answer_is_given_until_its_time_is_over() {
    let server = Server::new("cache", address(1, 60));
    let first = server.ask("a.example.").await;
    assert_eq!((first.plugin, first.authoritative, first.answers[0].ttl), ("source", false, 60));
    advance(secs(20)).await;
    let second = server.ask("A.EXAMPLE.").await;
    assert_eq!((second.plugin, second.authoritative, second.answers[0].ttl), ("cache", true, 40));
    advance(secs(39)).await;
    assert_eq!(server.address("a.example.").await, (1, 1));
    assert_eq!(server.source.asked(), 1);
    server.source_gives(address(2, 60));
    advance(secs(1)).await;
    assert_eq!(server.address("a.example.").await, (2, 60));
    assert_eq!(server.source.asked(), 2);
}

#[tokio::test(start_paused = true)]
async fn ttls_have_bounds() {
    for (config, given, kept) in [
        ("cache", 86_400, 3600),
        ("cache 30", 86_400, 30),
        ("cache 30", 20, 20),
        ("cache", 1, 5),
        ("cache {\nsuccess 2000 100 50\n}", 3000, 100),
        ("cache {\nsuccess 2000 100 50\n}", 3, 50),
        ("cache {\nsuccess 2000 100 0\n}", 3, 3),
    ] {
        let server = Server::new(config, address(1, given));
        assert_eq!(server.address("a.example.").await, (1, kept), "{config}: the first answer too");
        advance(secs(2)).await;
        assert_eq!(server.address("a.example.").await, (1, kept - 2), "{config}");
    }
    for (config, given, kept) in
        [("cache", 86_400, 1800), ("cache 30", 60, 30), ("cache {\ndenial 2000 7 6\n}", 60, 7)]
    {
        let server = Server::new(config, nxdomain(given));
        assert_eq!(server.ask("a.example.").await.authorities[0].ttl, kept, "{config}");
        advance(secs(u64::from(kept) - 1)).await;
        assert_eq!(server.ask("a.example.").await.rcode, ResponseCode::NXDomain);
        assert_eq!(server.source.asked(), 1, "{config}");
        advance(secs(1)).await;
        server.ask("a.example.").await;
        assert_eq!(server.source.asked(), 2, "{config}");
    }
}

#[tokio::test(start_paused = true)]
async fn keepttl_does_not_count_down() {
    let server = Server::new("cache {\nkeepttl\n}", address(1, 60));
    for _ in 0..3 {
        assert_eq!(server.address("a.example.").await, (1, 60));
        advance(secs(19)).await;
    }
    advance(secs(3)).await;
    assert_eq!(server.address("a.example.").await, (1, 60));
    assert_eq!(server.source.asked(), 2, "but it expires");
}

#[tokio::test(start_paused = true)]
async fn a_ttl_of_zero_is_not_kept_nor_changed() {
    let server = Server::new("cache", address(1, 0));
    assert_eq!(server.address("a.example.").await, (1, 0));
    assert_eq!(server.address("a.example.").await, (1, 0));
    assert_eq!(server.source.asked(), 2);
}

#[tokio::test(start_paused = true)]
async fn zones_and_disable() {
    let config = "cache example {\ndisable success b.example\ndisable denial c.example\n}";
    for (name, answer, asked) in [
        ("a.example.", address(1, 60), 1),
        ("a.elsewhere.", address(1, 60), 2),
        ("a.b.example.", address(1, 60), 2),
        ("a.c.example.", address(1, 60), 1),
        ("a.b.example.", nxdomain(60), 1),
        ("a.c.example.", nxdomain(60), 2),
    ] {
        let mut answer = answer.unwrap();
        for record in &mut answer.answers {
            record.name = name.parse().unwrap();
        }
        let server = Server::new(config, Some(answer.clone()));
        server.ask(name).await;
        server.ask(name).await;
        assert_eq!(server.source.asked(), asked, "{name} {answer:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn servfail_is_kept_for_a_moment_and_hides_nothing() {
    let failure = || Some(Reply::new(ResponseCode::ServFail));
    for (config, kept) in [("cache", 5), ("cache {\nservfail 1m\n}", 60)] {
        let server = Server::new(config, failure());
        server.ask("a.example.").await;
        advance(secs(kept) - Duration::from_millis(1)).await;
        assert_eq!(server.ask("a.example.").await.rcode, ResponseCode::ServFail);
        assert_eq!(server.source.asked(), 1, "{config}");
        server.source_gives(address(1, 60));
        advance(Duration::from_millis(1)).await;
        assert_eq!(server.address("a.example.").await, (1, 60));
        assert_eq!(server.address("a.example.").await, (1, 60));
        assert_eq!(server.source.asked(), 2, "{config}");
    }
    let server = Server::new("cache {\nservfail 0\n}", failure());
    server.ask("a.example.").await;
    server.ask("a.example.").await;
    assert_eq!(server.source.asked(), 2);
}

#[tokio::test(start_paused = true)]
async fn the_newer_of_success_and_denial_counts() {
    let server = Server::new("cache {\nserve_stale 1h\n}", nxdomain(10));
    server.ask("a.example.").await;
    server.source_gives(address(1, 10));
    advance(secs(10)).await;
    assert_eq!(server.ask("a.example.").await.rcode, ResponseCode::NXDomain, "stale");
    tokio::task::yield_now().await;
    assert_eq!(server.address("a.example.").await, (1, 10), "fetched behind it");
    assert_eq!(server.cache.0.store.denial.len(), 0);
}

#[tokio::test(start_paused = true)]
async fn prefetch_keeps_popular_answers_fresh() {
    let server = Server::new("cache {\nprefetch 3 1m 10%\n}", address(1, 100));
    server.ask("a.example.").await;
    server.source_gives(address(2, 100));
    for second in [40, 45, 4] {
        advance(secs(second)).await;
        assert_eq!(server.address("a.example.").await.0, 1);
        tokio::task::yield_now().await;
        assert_eq!(server.source.asked(), 1);
    }
    advance(secs(2)).await;
    assert_eq!(server.address("a.example.").await, (1, 9), "the client does not wait");
    tokio::task::yield_now().await;
    assert_eq!(server.source.asked(), 2);
    assert_eq!(server.address("a.example.").await, (2, 100));
    assert_eq!(server.cache.0.metrics.prefetches.get(), 1);
}

#[tokio::test(start_paused = true)]
async fn dnssec_questions_have_answers_of_their_own() {
    let authentic = Reply { authentic_data: true, ..address(1, 60).unwrap() };
    let server = Server::new("cache", Some(authentic));
    let mut with_do = query("a.example.", RecordType::A);
    let mut edns = Edns::new();
    edns.set_dnssec_ok(true);
    with_do.edns = Some(edns);
    assert!(server.ask_as(with_do.clone()).await.authentic_data);
    assert!(server.ask_as(with_do).await.authentic_data, "from the cache too");
    let plain = query("a.example.", RecordType::A);
    assert!(!server.ask_as(plain.clone()).await.authentic_data);
    assert!(!server.ask_as(plain.clone()).await.authentic_data);
    assert_eq!(server.source.asked(), 2);
    let knows_ad = Query { authentic_data: true, ..plain };
    assert!(server.ask_as(knows_ad).await.authentic_data, "RFC 6840 §5.7");
}

#[tokio::test(start_paused = true)]
async fn records_about_another_name_are_not_kept() {
    let server = Server::new("cache", address(1, 60));
    server.ask("b.example.").await;
    server.ask("b.example.").await;
    assert_eq!((server.source.asked(), server.cache.0.metrics.drops.get()), (2, 2));
}

#[tokio::test(start_paused = true)]
async fn an_explanation_tells_what_happens_and_changes_nothing() {
    let server = Server::new("cache", address(1, 60));
    let explain = async || {
        let trace = Trace::default();
        let mut query = query("a.example.", RecordType::A);
        server.engine.answer(ListenerId(0), &mut query, Some(&trace)).await;
        let of_cache = trace.into_steps().into_iter().filter(|step| step.plugin == "cache");
        of_cache.map(|step| step.text).collect::<Vec<_>>()
    };
    let miss = ["miss", "would keep the reply of a client for 60 s"];
    assert_eq!(explain().await, miss);
    assert_eq!(explain().await, miss);
    let cache = &server.cache.0;
    assert_eq!((cache.store.success.len(), cache.metrics.requests.get()), (0, 0));
    server.ask("a.example.").await;
    advance(secs(7)).await;
    assert_eq!(explain().await, ["hit: kept for 60 s, 53 s of them are left"]);
    assert_eq!((cache.metrics.requests.get(), cache.metrics.misses.get()), (1, 1));
}

#[tokio::test(start_paused = true)]
async fn hits_and_misses_are_counted() {
    let server = Server::new("cache", address(1, 60));
    for _ in 0..3 {
        server.ask("a.example.").await;
    }
    let metrics = &server.cache.0.metrics;
    assert_eq!((metrics.requests.get(), metrics.misses.get()), (3, 1));
    assert_eq!(server.cache.0.store.success.len(), 1);
}
