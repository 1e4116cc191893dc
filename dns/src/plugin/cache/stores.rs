//! The stores of all caches of the process, so that a reload finds them again.

use std::sync::{Arc, Mutex, Weak};

use super::{CacheConfig, Store};
use crate::plugin::Site;

/// What a cache is recognised by: where its block stands, and all that the block says. An answer depends on every
/// plugin behind the cache, and on the view before it.
#[derive(Clone, PartialEq, Eq, Debug)]
struct Identity {
    server: String,
    block: String,
}

/// Every store that is in use.
#[derive(Clone, Default, Debug)]
pub struct Stores(Arc<Mutex<Vec<Known>>>);

type Known = (Identity, Weak<Store>);

impl Stores {
    /// Returns the store of the block's cache: that of the same block before a reload, or a new one.
    ///
    /// A block that says anything else than before starts with an empty one: what its plugins answered until then
    /// is not what they would answer.
    pub(super) fn of(&self, site: &Site<'_>, config: &CacheConfig) -> Arc<Store> {
        let identity = Identity { server: site.server.to_owned(), block: site.block.to_owned() };
        let mut stores = self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        stores.retain(|(_, store)| store.strong_count() > 0);
        let known = stores.iter().find(|(known, _)| *known == identity);
        if let Some(store) = known.and_then(|(_, store)| store.upgrade()) {
            return store;
        }
        let store = Arc::new(Store::new(config));
        stores.push((identity, Arc::downgrade(&store)));
        store
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plugin::testing::with_site;

    #[test]
    fn the_same_cache_finds_its_store_again() {
        with_site(|site| {
            let config = CacheConfig::new(site.zones.to_vec());
            let store = site.stores.of(site, &config);
            assert!(Arc::ptr_eq(&store, &site.stores.of(site, &config)));
            let other = Site { block: ". {\n\tcache 30\n\twhoami\n}\n", ..*site };
            assert!(!Arc::ptr_eq(&store, &site.stores.of(&other, &config)), "another plugin");
            let elsewhere = Site { server: "dns://:54", ..*site };
            assert!(!Arc::ptr_eq(&store, &site.stores.of(&elsewhere, &config)));
            let gone = Arc::as_ptr(&store);
            drop(store);
            let fresh = site.stores.of(site, &config);
            assert!(fresh.success.len() == 0 && !gone.is_null());
        });
    }
}
