//! The plugin in a server.

use std::fs;
use std::sync::Arc;
use std::time::Duration;

use hickory_proto::op::ResponseCode;

use super::*;
use crate::engine::{Block, Engine, ListenerId, Router};
use crate::plugin::file::setup::replace;
use crate::plugin::file::{FileConfig, ZoneFileConfig};
use crate::plugin::testing::{engine_of, query, record, with_site};
use crate::plugin::{Fallthrough, Handling, Plugin, Setup, SetupError};
use crate::{ExtendedErrorCode, Query, Reply};

fn set_up(files: &[ZoneFileConfig]) -> Result<Box<dyn Plugin>, SetupError> {
    with_site(|site| FileConfig { files: files.to_vec() }.set_up(site))
}

/// A zone file in a directory of its own.
struct Stage {
    directory: tempfile::TempDir,
}

impl Stage {
    fn new(text: &str) -> Self {
        let stage = Self { directory: tempfile::tempdir().unwrap() };
        fs::write(stage.config().path, text).unwrap();
        stage
    }

    fn config(&self) -> ZoneFileConfig {
        ZoneFileConfig {
            path: self.directory.path().join("db"),
            zones: vec!["example.org.".parse().unwrap()],
            reload: None,
            reload_by_mtime: false,
            fallthrough: Fallthrough::Never,
        }
    }
}

/// Answers like an outer world.
#[derive(Debug)]
struct World;

impl Plugin for World {
    fn name(&self) -> &'static str {
        "world"
    }

    fn query<'a>(
        &'a self,
        query: &'a mut Query,
        _: &'a crate::engine::Context<'a>,
    ) -> Handling<'a> {
        let soa = vec![record("elsewhere.test.", "soa.stands.here.")];
        Handling::reply(match query.lower.to_string().as_str() {
            "www.elsewhere.test." => {
                let answers = vec![record("www.elsewhere.test.", "203.0.113.1")];
                Reply { answers, ..Reply::default() }
            }
            "refused.test." => Reply::refused(ExtendedErrorCode::Prohibited, "no"),
            "failed.test." => Reply::server_failure(ExtendedErrorCode::NetworkError, "broken"),
            "empty.test." => Reply { authorities: soa, ..Reply::default() },
            _ => Reply { authorities: soa, ..Reply::new(ResponseCode::NXDomain) },
        })
    }
}

async fn ask_after(plugin: Box<dyn Plugin>, query: Query) -> Reply {
    let mut router = Router::default();
    router.add(Name::root().into(), 0);
    let engine =
        Engine::new(vec![Block::new("Corefile:1", vec![plugin, Box::new(World)])], vec![router]);
    let mut query = query;
    engine.answer(ListenerId(0), &mut query, None).await.reply.unwrap()
}

#[tokio::test]
async fn rcodes_flags_and_transfers() {
    use ResponseCode::{NXDomain, NoError, Refused, YXDomain};
    let text =
        format!("{ZONE}far DNAME {}.\n", ["a234567890123456789012345678901234567890"; 6].join("."));
    for (name, qtype, rcode, is_authoritative, by) in [
        ("www.example.org.", RecordType::A, NoError, true, "file"),
        ("www.example.org.", RecordType::TXT, NoError, true, "file"),
        ("nope.example.org.", RecordType::A, NXDomain, true, "file"),
        ("sub.example.org.", RecordType::A, NoError, false, "file"),
        ("to-sub.example.org.", RecordType::A, NoError, true, "file"),
        ("b234567890.far.example.org.", RecordType::A, YXDomain, true, "file"),
        ("example.org.", RecordType::AXFR, Refused, false, "file"),
        ("example.org.", RecordType::IXFR, Refused, false, "file"),
        ("example.net.", RecordType::A, NXDomain, false, "world"),
    ] {
        let stage = Stage::new(&text);
        let reply = ask_after(set_up(&[stage.config()]).unwrap(), query(name, qtype)).await;
        assert_eq!(
            (reply.rcode, reply.authoritative, reply.plugin),
            (rcode, is_authoritative, by),
            "{name}"
        );
    }
}

#[tokio::test]
async fn aliases_out_of_the_zone_are_looked_up() {
    use ResponseCode::{NXDomain, NoError, ServFail};
    let text = format!(
        "{ZONE}o1 CNAME refused.test.\no2 CNAME failed.test.\no3 CNAME nope.test.\no4 CNAME empty.test.\n"
    );
    for (name, rcode, answers, authorities) in [
        ("outside.example.org.", NoError, 2, 0),
        ("o1.example.org.", NoError, 1, 0),
        ("o2.example.org.", ServFail, 1, 0),
        ("o3.example.org.", NXDomain, 1, 1),
        ("o4.example.org.", NoError, 1, 1),
    ] {
        let stage = Stage::new(&text);
        let plugin = set_up(&[stage.config()]).unwrap();
        let reply = ask_after(plugin, query(name, RecordType::A)).await;
        assert_eq!(reply.rcode, rcode, "{name}");
        assert_eq!(
            (reply.answers.len(), reply.authorities.len()),
            (answers, authorities),
            "{name}"
        );
        assert!(reply.authoritative && reply.plugin == "file");
        assert_eq!(reply.extended_error.is_some(), rcode == ServFail);
    }
    // Without another plugin the server asks itself in vain: the alias is all that there is.
    let stage = Stage::new(ZONE);
    let plugin = crate::plugin::file::File::of_text(
        &"example.org.".parse().unwrap(),
        Path::new("db"),
        ZONE.as_bytes(),
        &DiskFiles,
    )
    .unwrap();
    drop(stage);
    let mut query = query("outside.example.org.", RecordType::A);
    let engine = engine_of(plugin);
    let reply = engine.answer(ListenerId(0), &mut query, None).await.reply.unwrap();
    assert_eq!((reply.rcode, reply.answers.len()), (ServFail, 1));
}

#[tokio::test]
async fn fallthrough_is_for_names_without_records() {
    let all = Fallthrough::Zones(vec![Name::root().into()]);
    let some = Fallthrough::Zones(vec!["wild.example.org.".parse().unwrap()]);
    for (fallthrough, name, qtype, by) in [
        (&all, "nope.example.org.", RecordType::A, "world"),
        (&all, "name.example.org.", RecordType::A, "world"),
        (&all, "x.wild.example.org.", RecordType::TXT, "world"),
        (&all, "x.wild.example.org.", RecordType::A, "file"),
        (&all, "www.example.org.", RecordType::TXT, "file"),
        (&all, "dangling.example.org.", RecordType::A, "file"),
        (&all, "sub.example.org.", RecordType::A, "file"),
        (&some, "nope.example.org.", RecordType::A, "file"),
        (&some, "x.exact.wild.example.org.", RecordType::A, "world"),
        (&Fallthrough::Never, "x.exact.wild.example.org.", RecordType::A, "file"),
    ] {
        let stage = Stage::new(ZONE);
        let config = ZoneFileConfig { fallthrough: fallthrough.clone(), ..stage.config() };
        let reply = ask_after(set_up(&[config]).unwrap(), query(name, qtype)).await;
        assert_eq!(reply.plugin, by, "{fallthrough:?} {name} {qtype}");
    }
}

#[tokio::test]
async fn the_longest_zone_answers_and_the_one_above_has_the_keys() {
    let (outer, inner) = (Stage::new(ZONE), Stage::new("@ 9 SOA a b 1 2 3 4 5\nhost 9 A 10.0.0.1"));
    let net = "example.net.".parse().unwrap();
    let outer =
        ZoneFileConfig { zones: [outer.config().zones, vec![net]].concat(), ..outer.config() };
    let inner =
        ZoneFileConfig { zones: vec!["sub.example.org.".parse().unwrap()], ..inner.config() };
    let ask = async |name, qtype| {
        let plugin = set_up(&[outer.clone(), inner.clone()]).unwrap();
        ask_after(plugin, query(name, qtype)).await
    };
    assert_eq!(
        ask("host.sub.example.org.", RecordType::A).await.answers[0].data.to_string(),
        "10.0.0.1"
    );
    assert_eq!(ask("sub.example.org.", RecordType::DS).await.answers.len(), 1);
    assert_eq!(ask("sub.example.org.", RecordType::SOA).await.answers.len(), 1);
    // One file may serve several zones, each with the relative names.
    assert_eq!(ask("www.example.net.", RecordType::A).await.answers.len(), 2);
}

#[test]
fn a_zone_is_replaced_when_its_serial_is_another_one() {
    let zone = |serial: u32| zone_of(&format!("@ 9 SOA a b {serial} 2 3 4 5"));
    let mut current = None;
    assert!(replace(&mut current, zone(7), false), "there was none");
    let first: Arc<Zone> = current.clone().unwrap();
    assert!(!replace(&mut current, zone(7), false));
    assert!(Arc::ptr_eq(&first, current.as_ref().unwrap()));
    assert!(replace(&mut current, zone(7), true), "reload_by_mtime");
    assert!(!Arc::ptr_eq(&first, current.as_ref().unwrap()));
    assert!(replace(&mut current, zone(6), false), "a smaller one is another one, too");
    assert_eq!(current.unwrap().serial(), 6);
}

#[tokio::test]
async fn a_missing_file_is_waited_for_unless_it_is_never_read_again() {
    let stage = Stage::new(ZONE);
    fs::remove_file(stage.config().path).unwrap();
    let error = set_up(&[stage.config()]).unwrap_err().to_string();
    assert!(error.starts_with("cannot read the zone file /"), "{error}");
    let config = ZoneFileConfig { reload: Some(Duration::from_millis(1)), ..stage.config() };
    let engine = {
        let mut router = Router::default();
        router.add(Name::root().into(), 0);
        Engine::new(vec![Block::new("Corefile:1", vec![set_up(&[config]).unwrap()])], vec![router])
    };
    let ask = async || {
        let mut query = query("www.example.org.", RecordType::A);
        engine.answer(ListenerId(0), &mut query, None).await.reply.unwrap()
    };
    let before = ask().await;
    assert_eq!(before.rcode, ResponseCode::ServFail);
    assert_eq!(before.extended_error.unwrap().code, ExtendedErrorCode::NotReady);
    fs::write(stage.config().path, ZONE).unwrap();
    while ask().await.rcode != ResponseCode::NoError {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn a_broken_file_ends_the_start() {
    let stage = Stage::new("@ 9 SOA a b 1 2 3 4 5\n@ 9 A 10.0.0.256");
    let error = set_up(&[stage.config()]).unwrap_err().to_string();
    let place = format!("zone file {}:2 - '10.0.0.256' is no", stage.config().path.display());
    assert!(error.starts_with(&place), "{error}");
}
