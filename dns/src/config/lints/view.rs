//! A server block that is never chosen, because one before it with the same zones takes the same queries.

use super::{Linted, listed, warning};
use crate::corefile::{ServerBlock, Warning};

pub(super) fn warnings(linted: Linted<'_>) -> Vec<Warning> {
    told(linted).into_iter().chain(namesake(linted)).collect()
}

/// A view with the name of another one on the same listener: CoreDNS takes both, and their metrics, logs and
/// metadata are those of one.
fn namesake(linted: Linted<'_>) -> Option<Warning> {
    let name = linted.block.view.as_ref()?.name();
    let listeners = linted.config.listeners.iter();
    let own = listeners.filter(|listener| listener.zones.iter().any(|(_, at)| *at == linted.index));
    let mut others = own.flat_map(|listener| &listener.zones).map(|(_, at)| *at);
    let has_name = |at: &usize| {
        let view = linted.config.blocks.get(*at).and_then(|block| block.view.as_ref());
        *at < linted.index && view.is_some_and(|view| view.name() == name)
    };
    let other = linted.texts.get(others.find(has_name)?)?;
    let text = format!(
        "the view of the block at {} is named '{name}', too: metrics, logs and metadata cannot tell them apart; \
         rename one",
        other.position
    );
    Some(warning(&linted.directives("view").first()?.name, text))
}

fn told(linted: Linted<'_>) -> Option<Warning> {
    let listeners = || {
        let all = linted.config.listeners.iter().flat_map(|listener| &listener.zones);
        all.filter(|(_, block)| *block == linted.index).count()
    };
    let own = expressions(linted.text);
    let before = |earlier: usize| {
        let shared = linted.config.listeners.iter().flat_map(|listener| {
            let serves = |zone, block: usize| listener.zones.contains(&(zone, block));
            let zones = listener.zones.iter().filter(|(_, block)| *block == linted.index);
            zones.filter(move |(zone, _)| serves(zone.clone(), earlier))
        });
        shared.count() == listeners()
    };
    let blocks = linted.config.blocks.get(..linted.index)?.iter().enumerate();
    let (earlier, block) = blocks.into_iter().find(|(at, block)| {
        // The text of the block is found by its place.
        let expressions = block.view.is_some().then(|| linted.texts.get(*at).map(expressions));
        let taken = expressions.flatten();
        taken.is_some_and(|taken| taken.iter().all(|one| own.contains(one))) && before(*at)
    })?;
    let text = format!(
        "this server block is never chosen: the view '{}' of the block at {} takes all of its queries for {}; \
         change the expressions of one, or put this block before it",
        block.view_name(),
        linted.texts.get(earlier)?.position,
        listed(&linted.block.zones)
    );
    Some(warning(linted.text.keys.first()?, text))
}

/// Returns the expressions of a block's views, all of which have to be true.
fn expressions(block: &ServerBlock) -> Vec<String> {
    let views = block.directives.iter().filter(|directive| directive.name.text == "view");
    let lines = views.flat_map(|view| view.lines());
    lines
        .map(|line| line.args.iter().map(|arg| arg.text.as_str()).collect::<Vec<_>>().join(" "))
        .collect()
}

#[cfg(test)]
mod tests {
    use crate::config::lints::tests::{assert_hit, assert_miss};

    const COREFILE: &str = "a {\nview one {\nexpr type() == 'A'\n}\nwhoami\n}\n\
                            a {\nview two {\nexpr type() == 'A'\nexpr do()\n}\nwhoami\n}\n";

    #[test]
    fn the_first_of_equal_views_takes_all() {
        assert_hit(
            COREFILE,
            7,
            &["never chosen: the view 'one' of the block at Corefile:1", "for a.;"],
        );
        assert_hit(&COREFILE.replacen("expr type() == 'A'\n", "", 1), 6, &["never chosen"]);
    }

    #[test]
    fn names_of_views_tell_them_apart() {
        let text = COREFILE.replacen("'A'", "'MX'", 1).replace("two", "one");
        assert_hit(&text, 8, &["the block at Corefile:1 is named 'one', too", "rename one"]);
        assert_hit(&text.replacen("a {", "b {", 1), 8, &["rename one"]);
        assert_miss(&text.replacen("a {", "a:1053 {", 1));
    }

    #[test]
    fn other_queries_are_left() {
        assert_miss(&COREFILE.replacen("'A'", "'MX'", 1));
        assert_miss(&COREFILE.replacen("a {", "b {", 1));
        assert_miss(&COREFILE.replacen("a {", "a:1053 {", 1));
    }
}
