//! What is done in vain: a server block that answers nothing, metadata that nobody reads, a certificate that no
//! client sees, limits of a transport that no key has; and HTTPS without a certificate.

use super::claim::claims;
use super::{Linted, listed, warning};
use crate::corefile::{Directive, Transport, Warning};
use crate::plugin::stream_limits::StreamLimits;

/// The plugins that answer some queries without owning a zone.
const OTHER_ANSWERS: [&str; 4] = ["acl", "any", "chaos", "local"];

pub(super) fn warnings(linted: Linted<'_>) -> Vec<Warning> {
    let found = mute(linted).into_iter().chain(unread(linted)).chain(unseen(linted));
    found.chain(unlimited(linted)).chain(plain(linted)).collect()
}

/// A server block without a plugin that answers.
fn mute(linted: Linted<'_>) -> Option<Warning> {
    let answers = |directive: &Directive| OTHER_ANSWERS.contains(&directive.name.text.as_str());
    if !claims(linted).is_empty() || linted.text.directives.iter().any(answers) {
        return None;
    }
    let text = format!(
        "no plugin of this server block answers queries: every question for a name in {} fails; add 'forward' or \
         'kubernetes', or remove the block",
        listed(&linted.block.zones)
    );
    Some(warning(linted.text.keys.first()?, text))
}

/// `metadata` without anything that reads it.
fn unread(linted: Linted<'_>) -> Option<Warning> {
    let directive = linted.directives("metadata").into_iter().next()?;
    if linted.text.directives.iter().any(reads) {
        return None;
    }
    let text = "nobody reads the 'metadata' of this server block; name some in 'log', 'rewrite', 'template', \
                'dnstap' or 'view', such as {/kubernetes/client-namespace}, or remove this line";
    Some(warning(&directive.name, text.into()))
}

/// `tls` in a server block whose clients are not asked for TLS.
fn unseen(linted: Linted<'_>) -> Option<Warning> {
    let directive = linted.directives("tls").into_iter().next()?;
    if linted.block.keys.iter().any(|key| key.transport != Transport::Dns) {
        return None;
    }
    let text = "no key of this server block begins with tls://, https://, https3:// or quic://, so that its clients are answered without \
                encryption and this certificate is not used; write for example 'tls://.' as the key, or remove \
                this line";
    Some(warning(&directive.name, text.into()))
}

/// `https`, `https3` or `quic` in a server block whose clients do not come by that.
fn unlimited(linted: Linted<'_>) -> Option<Warning> {
    let transports = [Transport::Https, Transport::Https3, Transport::Quic];
    transports.into_iter().find_map(|transport| {
        let plugin = StreamLimits::plugin_of(transport)?;
        let directive = linted.directives(plugin).into_iter().next()?;
        if linted.block.keys.iter().any(|key| key.transport == transport) {
            return None;
        }
        let text = format!(
            "no key of this server block begins with {plugin}://, so that these limits hold for nobody; write for \
             example '{plugin}://.' as the key, or remove this line"
        );
        Some(warning(&directive.name, text))
    })
}

/// A key with `https://` in a server block without `tls`.
fn plain(linted: Linted<'_>) -> Option<Warning> {
    let is_https = linted.block.keys.iter().any(|key| key.transport == Transport::Https);
    if !is_https || linted.block.tls.is_some() {
        return None;
    }
    let text = "https:// without 'tls' is plain HTTP, which everybody on the way can read: it is for a proxy on \
                this host that speaks TLS; add 'tls CERT KEY' unless there is one";
    Some(warning(linted.text.keys.first()?, text.into()))
}

/// Says whether a line names metadata: `{/label}`, or a function of templates and expressions.
fn reads(line: &Directive) -> bool {
    let mut tokens = std::iter::once(&line.name).chain(&line.args);
    let is_metadata = line.name.text == "metadata" && line.block.is_none();
    !is_metadata
        && (tokens.any(|token| {
            ["{/", "metadata(", ".Meta", "label("].iter().any(|sign| token.text.contains(sign))
        }) || line.lines().iter().any(reads))
}

#[cfg(test)]
mod tests {
    use super::OTHER_ANSWERS;
    use crate::config::lints::claim::answers_zones;
    use crate::config::lints::tests::{assert_hit, assert_miss};
    use crate::config::{PLUGINS, Support};

    /// The plugins that leave the answer to others.
    const PASS: &str = "root metadata cancel quic https https3 timeouts multisocket reload nsid bufsize bind debug \
                        ready health cookie ratelimit prometheus errors log dnstap dns64 loadbalance rewrite autopath cache header \
                        tls minimal loop view";

    #[test]
    fn every_plugin_answers_or_passes_on() {
        let pass: Vec<&str> = PASS.split_whitespace().collect();
        for (name, support) in PLUGINS {
            let kinds = [answers_zones(name), OTHER_ANSWERS.contains(&name), pass.contains(&name)];
            let count = kinds.into_iter().filter(|is_it| *is_it).count();
            let expected = usize::from(!matches!(support, Support::Unsupported(_)));
            assert_eq!(count, expected, "{name}: add it to OWNERS, OTHER_ANSWERS or PASS");
        }
    }

    #[test]
    fn a_block_has_to_answer() {
        assert_hit(
            "a {\nwhoami\n}\nb {\nerrors\ncache\n}\n",
            4,
            &["every question for a name in b. fails"],
        );
        assert_miss("b {\nerrors\ncache\nforward . 192.0.2.53\n}\n");
        assert_miss("hostname.bind {\nchaos\n}\n");
        assert_hit("b {\nrewrite type A AAAA\n}\n", 1, &["no plugin of this server block answers"]);
    }

    #[test]
    fn metadata_has_to_be_read() {
        assert_hit(". {\nmetadata\nwhoami\nlog\n}\n", 2, &["nobody reads"]);
        assert_miss(". {\nmetadata\nwhoami\nlog . \"{name} {/kubernetes/service}\"\n}\n");
        assert_miss(
            ". {\nmetadata\nwhoami\nview v {\nexpr metadata('kubernetes/kind') == 'svc'\n}\n}\n",
        );
    }

    #[test]
    fn a_certificate_has_to_be_seen() {
        assert_hit(
            ". {\ntls cert.pem key.pem\nwhoami\n}\n",
            2,
            &["without encryption", "'tls://.'"],
        );
        assert_miss("tls://. {\ntls cert.pem key.pem\nwhoami\n}\n");
        assert_miss(". tls://. {\ntls cert.pem key.pem\nwhoami\n}\n");
    }

    #[test]
    fn https_without_a_certificate_is_plain() {
        assert_hit("https://. {\nwhoami\n}\n", 1, &["is plain HTTP"]);
        assert_miss("https://. {\ntls c k\nwhoami\n}\n");
    }

    #[test]
    fn limits_have_to_hold_for_somebody() {
        assert_hit(". {\nquic\nwhoami\n}\n", 2, &["begins with quic://", "'quic://.'"]);
        assert_hit("https3://. {\ntls c k\nhttps\nwhoami\n}\n", 3, &["begins with https://"]);
        assert_miss("https3://. quic://. {\ntls c k\nhttps3\nquic\nwhoami\n}\n");
    }
}
